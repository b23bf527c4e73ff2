import { countsQuery, durationsQuery, meshAnswersQuery } from '../analysis/query.ts'
import type { Growth, Sample } from '../analysis/tally.ts'
import type { Prometheus } from '../prometheus/prometheus.ts'

/** What one tick asked for, for one Service. */
export type Answers = {
  readonly counts: readonly Sample[]
  readonly durations: readonly Sample[]
  /** What the mesh answered itself since the tick before, for every host. */
  readonly meshAnswers: readonly Growth[]
}

/** Counters of many Services at one time, by Service; or why there are none. */
export type Counters = { readonly kind: 'counters'; readonly of: (service: string) => Pick<Answers, 'counts' | 'durations'> } | { readonly kind: 'error'; readonly message: string }

/** As many Services as one query names: with histograms that is some 7,000 series. */
const MOST_SERVICES = 100

/**
 * Asks for the counters of all these Services: two queries for each 100 of them, one where no latency is judged. One
 * hundred after the other: the answers for a thousand would be 20 MB at once, and those parsed last would be late.
 */
export async function askCounters(prometheus: Prometheus, services: readonly string[], options: { readonly durations: boolean; readonly atMs?: number; readonly signal: AbortSignal }): Promise<Counters> {
  const { durations, atMs, signal } = options
  const chunks = Array.from({ length: Math.ceil(services.length / MOST_SERVICES) }, (_, index) => services.slice(index * MOST_SERVICES, (index + 1) * MOST_SERVICES))
  const found = { counts: new Map<string, Sample[]>(), durations: new Map<string, Sample[]>() }
  for (const chunk of chunks) {
    const queries = [{ kind: 'counts', promql: countsQuery(chunk) }, ...(durations ? [{ kind: 'durations', promql: durationsQuery(chunk) }] : [])]
    const answers = await Promise.all(queries.map(async ({ kind, promql }) => ({ kind, answer: await prometheus.queryVector(promql, atMs, signal) })))
    for (const { kind, answer } of answers) {
      if (answer.kind === 'error') return { kind: 'error', message: answer.message }
      const odd = answer.kind === 'vector' ? answer.samples.find(({ value }) => !Number.isFinite(value) || value < 0) : undefined
      if (odd !== undefined) return { kind: 'error', message: `a counter reads ${odd.value}` }
      if (answer.kind === 'vector') fileAway(kind === 'counts' ? found.counts : found.durations, answer.samples)
    }
  }
  return { kind: 'counters', of: (service) => ({ counts: found.counts.get(service) ?? [], durations: found.durations.get(service) ?? [] }) }
}

/** Every counter of answers that the mesh made itself. */
export async function askMeshAnswers(prometheus: Prometheus, options: { readonly atMs?: number; readonly signal: AbortSignal }): Promise<readonly Sample[] | { readonly error: string }> {
  const answer = await prometheus.queryVector(meshAnswersQuery(), options.atMs, options.signal)
  return answer.kind === 'vector' ? answer.samples : answer.kind === 'empty' ? [] : { error: answer.message }
}

function fileAway(found: Map<string, Sample[]>, samples: readonly Sample[]): void {
  for (const sample of samples) {
    const service = sample.labels['destination_service'] ?? ''
    const known = found.get(service)
    if (known === undefined) found.set(service, [sample])
    else known.push(sample)
  }
}
