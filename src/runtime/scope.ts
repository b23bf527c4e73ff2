import type { Clock } from './clock.ts'

/** A signal of its own inside a longer-lived one. */
export type Scope = {
  readonly signal: AbortSignal
  /** Aborts this scope only. */
  readonly abort: (reason: Error) => void
  /** Aborts the scope with `reason` unless it has been closed after `ms`. */
  readonly deadline: (ms: number, clock: Clock, reason: () => Error) => void
  /** Ends every wait of the scope and lets go of the outer signal; safe to call twice. */
  readonly close: () => void
}

const CLOSED = new Error('closed')

/** Opens a scope that `outer` ends too. AbortSignal.any would leak one entry per call into a long-lived signal on Node 20. */
export const openScope = (outer?: AbortSignal): Scope => {
  const inner = new AbortController()
  const timers = new AbortController()
  const follow = () => inner.abort(outer?.reason)
  if (outer?.aborted === true) follow()
  else outer?.addEventListener('abort', follow, { once: true })
  return {
    signal: inner.signal,
    abort: (reason) => inner.abort(reason),
    deadline: (ms, clock, reason) => {
      clock.sleep(ms, timers.signal).then(
        () => inner.abort(reason()),
        () => undefined,
      )
    },
    close: () => {
      outer?.removeEventListener('abort', follow)
      timers.abort(CLOSED)
    },
  }
}
