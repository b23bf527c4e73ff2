import type { World } from './world.ts'

/** Where the sandbox does less than the real parts, in the words of `unsupported` in src/sandbox/cluster.ts and of docs/sandbox.md. */
export const DIFFERENCES = ['CEL rules', 'authentication', 'regular expressions of a root', 'timeouts', 'graceful end', 'sidecar that outlives its app', 'general PromQL'] as const

/** Whether this world is one that is known to differ in this: what such a case then asserts is the difference. */
export const differs = ({ kind }: World, _difference: (typeof DIFFERENCES)[number]): boolean => kind === 'sandbox'
