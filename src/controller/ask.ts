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

/** Counters of many workloads at one time; or why there are none. */
export type Counters = { readonly kind: 'counters'; readonly of: (subject: Subject) => Pick<Answers, 'counts' | 'durations'> } | { readonly kind: 'error'; readonly message: string }

/** Whose requests are looked at: as one Service of one workload. */
export type Subject = { readonly service: string; readonly workload: string }

/** As many Services as one query names: with histograms that is some 7,000 series. */
const MOST_SERVICES = 100

/**
 * Asks for the counters of all these workloads: two queries for each 100 Services, one where no latency is judged. One
 * hundred after the other: the answers for a thousand would be 20 MB at once, and those parsed last would be late.
 */
export async function askCounters(prometheus: Prometheus, subjects: readonly Subject[], options: { readonly durations: boolean; readonly atMs?: number; readonly signal: AbortSignal }): Promise<Counters> {
  const { durations, atMs, signal } = options
  const services = [...new Set(subjects.map(({ service }) => service))]
  const wanted = new Set(subjects.map(placeOf))
  const chunks = Array.from({ length: Math.ceil(services.length / MOST_SERVICES) }, (_, index) => services.slice(index * MOST_SERVICES, (index + 1) * MOST_SERVICES))
  const found = { counts: new Map<string, Sample[]>(), durations: new Map<string, Sample[]>() }
  for (const chunk of chunks) {
    const queries = [{ kind: 'counts', promql: countsQuery(chunk) }, ...(durations ? [{ kind: 'durations', promql: durationsQuery(chunk) }] : [])]
    const answers = await Promise.all(queries.map(async ({ kind, promql }) => ({ kind, answer: await prometheus.queryVector(promql, atMs, signal) })))
    for (const { kind, answer } of answers) {
      if (answer.kind === 'error') return { kind: 'error', message: answer.message }
      const odd = answer.kind === 'vector' ? answer.samples.find(({ value }) => !Number.isFinite(value) || value < 0) : undefined
      if (odd !== undefined) return { kind: 'error', message: `a counter reads ${odd.value}` }
      if (answer.kind === 'vector') fileAway(kind === 'counts' ? found.counts : found.durations, answer.samples, wanted)
    }
  }
  return { kind: 'counters', of: (subject) => ({ counts: found.counts.get(placeOf(subject)) ?? [], durations: found.durations.get(placeOf(subject)) ?? [] }) }
}

/** Every counter of answers that the mesh made itself. */
export async function askMeshAnswers(prometheus: Prometheus, options: { readonly atMs?: number; readonly signal: AbortSignal }): Promise<readonly Sample[] | { readonly error: string }> {
  const answer = await prometheus.queryVector(meshAnswersQuery(), options.atMs, options.signal)
  return answer.kind === 'vector' ? answer.samples : answer.kind === 'empty' ? [] : { error: answer.message }
}

const placeOf = ({ service, workload }: Subject): string => `${service} ${workload}`

/** Most series are stable's: what nobody looks at is let go of at once. */
function fileAway(found: Map<string, Sample[]>, samples: readonly Sample[], wanted: ReadonlySet<string>): void {
  for (const sample of samples) {
    const place = placeOf({ service: sample.labels['destination_service'] ?? '', workload: sample.labels['destination_workload'] ?? '' })
    const known = found.get(place)
    if (known !== undefined) known.push(sample)
    else if (wanted.has(place)) found.set(place, [sample])
  }
}
