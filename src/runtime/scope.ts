import type { Clock } from './clock.ts'

/** A signal of its own inside a longer-lived one. */
export type Scope = {
  readonly signal: AbortSignal
  /** Aborts the scope with `reason` after `ms`, unless deadlines were ended before. */
  readonly deadline: (ms: number, clock: Clock, reason: () => Error) => void
  readonly endDeadlines: () => void
  /** Ends every wait of the scope and lets go of the outer signal; safe to call twice. */
  readonly close: () => void
}

/** Nobody looks at it; a plain abort() would make a DOMException with its stack for every request. */
const ENDED = new Error('the scope has ended')

/** Opens a scope that `outer` ends too. AbortSignal.any would leak an entry per call into a long-lived signal on Node 20. */
export const openScope = (outer?: AbortSignal): Scope => {
  const inner = new AbortController()
  const waits = new AbortController()
  const follow = () => inner.abort(outer?.reason)
  if (outer?.aborted === true) follow()
  else outer?.addEventListener('abort', follow, { once: true })
  return {
    signal: inner.signal,
    deadline: (ms, clock, reason) => {
      clock.sleep(ms, waits.signal).then(
        () => inner.abort(reason()),
        () => undefined,
      )
    },
    endDeadlines: () => waits.abort(ENDED),
    close: () => {
      outer?.removeEventListener('abort', follow)
      waits.abort(ENDED)
    },
  }
}
