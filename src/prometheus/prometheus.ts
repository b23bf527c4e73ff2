import type { QueryResult } from 'prometheus-query'
import { createDriver, type DriverOptions } from './driver.ts'

/** One series at one instant. */
export type Sample = {
  readonly labels: Readonly<Record<string, string>>
  /** May be NaN or an infinity: neither means that there is no data. */
  readonly value: number
  /** Milliseconds since the Unix epoch. */
  readonly timeMs: number
}

/** No answer that may be trusted; the message says why and carries no credential. */
export type QueryError = { readonly kind: 'error'; readonly message: string }

/** What a query for any number of series found. */
export type VectorAnswer =
  { readonly kind: 'vector'; readonly samples: readonly Sample[] } | { readonly kind: 'empty' } | QueryError

/** What a query for one number found. */
export type NumberAnswer =
  | { readonly kind: 'value'; readonly value: number; readonly timeMs: number }
  | { readonly kind: 'empty' }
  | { readonly kind: 'nan' }
  | { readonly kind: 'inf'; readonly sign: 1 | -1 }
  | { readonly kind: 'several'; readonly count: number }
  | QueryError

/** Instant queries, evaluated at `atMs` or at the server's own time. They never reject: a failure is an answer. */
export type Prometheus = {
  readonly queryVector: (promql: string, atMs?: number, signal?: AbortSignal) => Promise<VectorAnswer>
  readonly queryNumber: (promql: string, atMs?: number, signal?: AbortSignal) => Promise<NumberAnswer>
}

/** Asks one Prometheus, through the transport alone; a partial answer (one with warnings) counts as an error. */
export const createPrometheus = (options: DriverOptions): Prometheus => {
  const queryVector: Prometheus['queryVector'] = async (promql, atMs, signal) => {
    try {
      const driver = createDriver(options, { serverTime: atMs === undefined, ...(signal === undefined ? {} : { signal }) })
      return toVector(await driver.instantQuery(promql, atMs))
    } catch (thrown) {
      return { kind: 'error', message: messageOf(thrown) }
    }
  }
  return {
    queryVector,
    queryNumber: async (promql, atMs, signal) => toNumber(await queryVector(promql, atMs, signal)),
  }
}

const toVector = ({ resultType, result }: QueryResult): VectorAnswer => {
  switch (String(resultType)) {
    case 'vector': {
      const samples = result.map(({ metric, value }) => ({
        labels: metric?.labels ?? {},
        value: value.value,
        timeMs: value.time.getTime(),
      }))
      return samples.length === 0 ? { kind: 'empty' } : { kind: 'vector', samples }
    }
    case 'scalar':
      return { kind: 'vector', samples: [{ labels: {}, value: scalarOf(result[1]), timeMs: Number(result[0]) * 1000 }] }
    default:
      return { kind: 'error', message: `the query yields a ${resultType}, not numbers at one instant` }
  }
}

const scalarOf = (text: unknown): number => Number(String(text).replace(/Inf$/, 'Infinity'))

const toNumber = (answer: VectorAnswer): NumberAnswer => {
  if (answer.kind !== 'vector') return answer
  const [sample, another] = answer.samples
  if (sample === undefined) return { kind: 'empty' }
  if (another !== undefined) return { kind: 'several', count: answer.samples.length }
  if (Number.isNaN(sample.value)) return { kind: 'nan' }
  if (!Number.isFinite(sample.value)) return { kind: 'inf', sign: sample.value > 0 ? 1 : -1 }
  return { kind: 'value', value: sample.value, timeMs: sample.timeMs }
}

/** The driver throws plain objects, with the request and its credentials inside: only the text may leave. */
const messageOf = (thrown: unknown): string => {
  if (thrown instanceof Error) return thrown.message
  const text: unknown = typeof thrown === 'object' && thrown !== null && 'error' in thrown ? thrown.error : thrown
  return typeof text === 'string' ? text : 'the query failed'
}
