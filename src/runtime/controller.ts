import { setMaxListeners } from 'node:events'
import type { Clock } from './clock.ts'
import { asError } from './failure.ts'
import type { Log } from './log.ts'
import { openScope } from './scope.ts'
import type { WorkQueue } from './work-queue.ts'

/** What a reconcile asks for next; a failure is thrown instead. */
export type Outcome = { readonly kind: 'done' } | { readonly kind: 'requeue'; readonly afterMs: number }

/** A failure that no retry cures: the key rests until something changes. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError'
}

/** How one reconcile ended. */
export type ReconcileResult = Outcome['kind'] | 'failed' | 'terminal'

/** What a controller needs. */
export type ControllerOptions = {
  readonly name: string
  readonly queue: WorkQueue
  /** How many different keys may be reconciled at once. */
  readonly concurrency: number
  /** How many more are kept free for urgent keys; none by default. */
  readonly reserved?: number
  /** Level-based: it is told the key, never what changed. Its signal aborts when the grace of a stop is over. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Outcome>
  readonly log: Log
  readonly clock: Clock
  /** Stops the controller. */
  readonly signal: AbortSignal
  /** How long running reconciles may go on after the stop; 30 s by default. */
  readonly graceMs?: number
  /** Ends running reconciles at once, whatever is left of the grace; `signal` must abort with it. */
  readonly abort?: AbortSignal
  /** Called after every reconcile, for metrics. */
  readonly onReconciled?: (result: ReconcileResult, durationMs: number) => void
}

/**
 * Reconciles the queue's keys until the signal aborts. Resolves with true when nothing runs any more, with false when the
 * grace was over first: what a reconcile had sent by then may still be carried out.
 */
export const runController = async (options: ControllerOptions): Promise<boolean> => {
  const { name, queue, clock, log, signal, graceMs = 30_000, abort } = options
  const scope = openScope(abort)
  // Every request of every worker listens to it: Node takes more than ten for a leak, and says so on stderr.
  setMaxListeners(0, scope.signal)
  const stop = () => {
    queue.shutDown()
    scope.deadline(graceMs, clock, () => new Error(`stopped, and the grace of ${graceMs} ms is over`))
  }
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  const overrun = new Promise<'overrun'>((resolve) => {
    scope.signal.addEventListener('abort', () => resolve('overrun'), { once: true })
  })
  const { concurrency, reserved = 0 } = options
  const workers = Array.from({ length: concurrency + reserved }, (_, index) => work(options, index >= concurrency, scope.signal))
  const end = await Promise.race([Promise.all(workers), overrun])
  if (end === 'overrun' && abort?.aborted !== true) log.error({ controller: name, graceMs }, 'stopped with reconciles still running')
  signal.removeEventListener('abort', stop)
  scope.close()
  return end !== 'overrun'
}

const work = async (options: ControllerOptions, urgentOnly: boolean, signal: AbortSignal): Promise<void> => {
  const { queue } = options
  for (let key = await queue.take({ urgentOnly }); key !== undefined; key = await queue.take({ urgentOnly })) {
    if (!options.signal.aborted) await reconcileOnce(options, key, signal)
    queue.done(key)
  }
}

const reconcileOnce = async (options: ControllerOptions, key: string, signal: AbortSignal): Promise<void> => {
  const { queue, clock } = options
  const startedAt = clock.monotonic()
  let result: ReconcileResult
  try {
    const outcome = await options.reconcile(key, signal)
    queue.forget(key)
    if (outcome.kind === 'requeue') queue.addAfter(key, outcome.afterMs)
    result = outcome.kind
  } catch (thrown) {
    result = fail(options, key, asError(thrown))
  }
  options.onReconciled?.(result, clock.monotonic() - startedAt)
}

const fail = ({ queue, log, name }: ControllerOptions, key: string, err: Error): ReconcileResult => {
  if (err instanceof TerminalError) {
    queue.forget(key)
    log.error({ controller: name, key, err }, 'reconcile failed for good')
    return 'terminal'
  }
  const retryInMs = Math.round(queue.addRateLimited(key))
  log.warn({ controller: name, key, err, retryInMs }, 'reconcile failed')
  return 'failed'
}
