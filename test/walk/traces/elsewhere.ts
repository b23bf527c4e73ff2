/** A test that shows what no mutation of the decision core can: it is about the executor, or what is asked of the API server. */
export type Elsewhere = { readonly rule: string; readonly what: string; readonly file: string; readonly test: string }

/** Beside the traces, by numbers and letters of docs/protocol.md. */
export const ELSEWHERE: readonly Elsewhere[] = [
  { rule: '9', what: 'what differs from what status recorded is read live', file: 'test/rollout/config-reads.test.ts', test: 'does not make one leader take back what another has seen' },
  { rule: 'a', what: 'who dies before the serving write has said nothing of it: no promotion stands in the history twice', file: 'test/faults/crash.test.ts', test: 'before any of its writes is followed by one that ends where it would have' },
  { rule: 'f', what: 'it is said', file: 'test/rollout/restore.test.ts', test: 'goes to stable at once in mid-rollout, and keeps it: the target says what was never promoted' },
  { rule: 'g', what: 'Degraded', file: 'test/rollout/lost-pods.test.ts', test: 'whose Deployment is deleted in mid-rollout holds everything, and is said to be gone' },
]
