import { closeSync, openSync, readSync } from 'node:fs'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Journal } from './journal.ts'

/** What the bench reads of a line of the API server's audit log. */
type AuditEvent = {
  readonly stage: string
  readonly verb: string
  readonly requestURI: string
  readonly userAgent?: string
  readonly objectRef?: { readonly resource: string; readonly name?: string; readonly subresource?: string }
  readonly responseStatus?: { readonly code?: number }
  /** RFC 3339, with microseconds. */
  readonly requestReceivedTimestamp: string
  readonly stageTimestamp: string
}

/** Tells the journal of every line of an audit log that is still written to, until the signal aborts. */
export async function followAuditLog(path: string, journal: Journal, { everyMs, signal }: { readonly everyMs: number; readonly signal: AbortSignal }): Promise<void> {
  const [file, chunk, decoder] = [openSync(path, 'r'), Buffer.alloc(2 ** 20), new TextDecoder()]
  let rest = ''
  for (; !signal.aborted; await systemClock.sleep(everyMs)) {
    for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk)) {
      const lines = (rest + decoder.decode(chunk.subarray(0, size), { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) note(JSON.parse(line) as AuditEvent, journal)
    }
  }
  closeSync(file)
}

function note({ stage, verb, requestURI, userAgent = '', objectRef, responseStatus, ...times }: AuditEvent, journal: Journal): void {
  // A watch is complete when it has ended.
  if (stage !== (verb === 'watch' ? 'ResponseStarted' : 'ResponseComplete')) return
  const { name = '', resource = '', subresource = '' } = objectRef ?? {}
  journal.asked({ userAgent, verb, path: requestURI, name }, monotonicMs(times.requestReceivedTimestamp))
  if ((responseStatus?.code ?? 0) >= 300) return
  const doneMs = monotonicMs(times.stageTimestamp)
  if (verb === 'create' && resource === 'deployments') journal.deployed(name, doneMs)
  if (verb === 'patch' && resource === 'pods' && subresource === 'status') journal.ready(name, doneMs)
}

/** The same moment on this process's monotonic clock; Date alone would drop the microseconds. */
const monotonicMs = (time: string): number => Date.parse(`${time.slice(0, 23)}Z`) + Number(`0.${time.slice(23, 26)}`) - performance.timeOrigin
