import type { ElectionSettings } from '../src/operator.ts'
import type { Transport, TransportRequest } from '../src/runtime/transport.ts'
import { NAMESPACE, type Harness, type Process } from './harness.ts'

/** As long as by default. */
export const ELECTION: ElectionSettings = { lease: { namespace: NAMESPACE, name: 'serin' }, leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 }

/** The longest that one try for the lease comes after the other. */
export const LATEST_TRY_MS = 1.2 * ELECTION.retryPeriodMs

/** One request of a replica: "PATCH virtualservices/service-c", and its body. */
export type Sent = { readonly at: number; readonly name: string; readonly body: string }

/** One of several operators that elect a leader among them, with all that it sent. */
export type Replica = Process & {
  readonly sent: readonly Sent[]
  readonly queries: readonly number[]
  /** What it wrote besides its lease. */
  readonly writes: () => readonly Sent[]
  /** While true, none of its requests arrives and none of its answers does; its open watches stay silent. */
  cut: boolean
}

export type ReplicaOptions = {
  /** Called before each write besides those of the lease, with their number. */
  readonly beforeWrite?: (number: number) => void
  /** Called once the API server has carried it out. */
  readonly afterWrite?: (number: number) => void
  readonly healthPort?: number
}

export const isLease = ({ name }: Sent): boolean => name.includes(' leases')
export const isWrite = ({ name }: Sent): boolean => !name.startsWith('GET ')

/** Starts one. */
export function startReplica(harness: Harness, { beforeWrite, afterWrite, healthPort }: ReplicaOptions = {}): Replica {
  const sent: Sent[] = []
  const queries: number[] = []
  const { clock } = harness
  const through = (transport: Transport): Transport => async (request) => {
    if (replica.cut) return unanswered(request)
    const one = { at: clock.monotonic(), name: nameOf(request), body: request.body ?? '' }
    sent.push(one)
    const isOwn = isWrite(one) && !isLease(one)
    const number = sent.filter((each) => isWrite(each) && !isLease(each)).length - 1
    if (isOwn) beforeWrite?.(number)
    const answer = await transport(request)
    if (isOwn) afterWrite?.(number)
    return replica.cut ? unanswered(request) : answer
  }
  const unanswered = async ({ timeoutMs, signal }: TransportRequest): Promise<never> => {
    await clock.sleep(timeoutMs, signal)
    throw new Error(`no answer within ${timeoutMs} ms`)
  }
  const process = harness.startOperator({
    through,
    prometheus: (transport) => (request) => {
      queries.push(clock.monotonic())
      return transport(request)
    },
    settings: { election: ELECTION, healthPort },
  })
  const replica: Replica = { ...process, sent, queries, cut: false, writes: () => sent.filter((one) => isWrite(one) && !isLease(one)) }
  return replica
}

function nameOf({ method, path }: TransportRequest): string {
  const [place = '', query = ''] = path.replace(/^\/apis?\//, '').replace(/^.*\/namespaces\/[^/]+\//, '').split('?')
  return `${method} ${place}${query.includes('watch=1') ? ' watch' : ''}`
}
