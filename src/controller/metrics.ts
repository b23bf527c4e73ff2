import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Canary, CanaryStatus } from '../api/canary.ts'
import { parsePercent } from '../api/percent.ts'

/** Serin's own metrics, on a registry of their own. Labels are bounded: canaries, phases, results. */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  const canary = ['namespace', 'name'] as const
  const phase = new Gauge({ name: 'serin_canary_phase', help: '1 for the phase a Canary is in', labelNames: [...canary, 'phase'], registers })
  const weight = new Gauge({ name: 'serin_canary_weight_percent', help: 'Share of requests that the canary gets', labelNames: canary, registers })
  const reconciles = new Counter({ name: 'serin_reconciles_total', help: 'Reconciles by result', labelNames: ['result'], registers })
  const reconcileSeconds = new Histogram({ name: 'serin_reconcile_duration_seconds', help: 'Duration of a reconcile', buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2], registers })
  const requests = new Counter({ name: 'serin_api_requests_total', help: 'Requests to the API server', labelNames: ['method', 'resource', 'status'], registers })
  const tickLate = new Histogram({ name: 'serin_check_tick_late_seconds', help: 'How much later than planned checks were asked for', buckets: [0.01, 0.1, 0.5, 1, 5], registers })
  const leader = new Gauge({ name: 'serin_leader', help: '1 while this process leads, 0 on standby', registers })
  const events = new Counter({ name: 'serin_events_total', help: 'Events by reason', labelNames: ['reason'], registers })
  const shown = new Map<string, string>()
  return {
    registry,
    reconciled: (result: string, ms: number) => {
      reconciles.inc({ result })
      reconcileSeconds.observe(ms / 1000)
    },
    requested: (method: string, resource: string, status: string) => requests.inc({ method, resource, status }),
    ticked: (lateMs: number) => tickLate.observe(Math.max(0, lateMs) / 1000),
    leads: (isLeader: boolean) => leader.set(isLeader ? 1 : 0),
    happened: (reason: string) => events.inc({ reason }),
    /** Undefined takes the Canary's series away. */
    status: ({ metadata: { namespace, name } }: Pick<Canary, 'metadata'>, status: CanaryStatus | undefined) => {
      const key = `${namespace}/${name}`
      const before = shown.get(key)
      if (before !== undefined && before !== status?.phase) phase.remove({ namespace, name, phase: before })
      if (status === undefined) {
        weight.remove({ namespace, name })
        shown.delete(key)
        return
      }
      phase.set({ namespace, name, phase: status.phase }, 1)
      weight.set({ namespace, name }, parsePercent(status.weight ?? '0%'))
      shown.set(key, status.phase)
    },
  }
}

export type Metrics = ReturnType<typeof createMetrics>
