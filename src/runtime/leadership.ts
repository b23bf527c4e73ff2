/** Who may write, as those see it who do. */
export type Leadership = {
  /** Resolves once this process leads: true, and from then on it stays leader until `release`; or once the signal aborts: false. */
  readonly acquire: (signal: AbortSignal) => Promise<boolean>
  /** Gives the lead back, if it was had; to be called when all guarded work has ended. Never rejects. */
  readonly release: () => Promise<void>
  /** Aborts with a LeadershipLostError when the lead is lost: the process must end, since others may lead already. */
  readonly lost: AbortSignal
  /** Why a write that may take `timeoutMs` must not be sent; undefined where it may. */
  readonly refusal: (timeoutMs: number) => string | undefined
  /** Why this process should be restarted; undefined when all is well. */
  readonly problem: () => string | undefined
}

/** The lead was taken by others, or may be at any moment. */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError'
}

/** Of a process that has no others beside it. */
export const alone = (): Leadership => ({
  acquire: (signal) => Promise.resolve(!signal.aborted),
  release: () => Promise.resolve(),
  lost: new AbortController().signal,
  refusal: () => undefined,
  problem: () => undefined,
})
