import { createPrometheus, type Prometheus, type Sample } from '../../src/prometheus/prometheus.ts'
import type { World } from './world.ts'

/** The operator's own way of asking. */
export const prometheusOf = ({ prometheus }: World): Prometheus => createPrometheus({ transport: prometheus, timeoutMs: 10_000 })

/** The series of a query; throws where it is refused. */
export async function samplesOf(world: World, promql: string, atMs?: number): Promise<readonly Sample[]> {
  const answer = await prometheusOf(world).queryVector(promql, atMs)
  if (answer.kind === 'error') throw new Error(`${promql}: ${answer.message}`)
  return answer.kind === 'empty' ? [] : answer.samples
}

/** Their sum. */
export const sumOf = async (world: World, promql: string, atMs?: number): Promise<number> =>
  (await samplesOf(world, promql, atMs)).reduce((sum, { value }) => sum + value, 0)
