import * as z from 'zod'
import { fields, keyed, set } from './collection.ts'
import { type Rule, ruled } from './rule.ts'
import { bound, duration, integer, label, percentile, text } from './scalar.ts'

/** The metrics Serin knows how to ask for. */
export const metricKinds = ['error-rate', 'latency'] as const

/** Which metric an entry is about: its `metric`, else its name. */
export const metricKind = (metric: { readonly name: string; readonly metric?: string | undefined }): string =>
  metric.metric ?? metric.name

const requests = () => integer(0, 10_000_000)
const statusCode = text(/^([45]xx|[1-5][0-9]{2})$/, 3, 'must be "4xx", "5xx" or a status code such as "503"')

const metricFields = fields({
  name: label().describe(`Name of the check: ${metricKinds.join(' or ')}, or any other with "metric".`),
  metric: z.enum(metricKinds).describe('What is measured. Assumed: what the name says.').optional(),
  max: bound().describe('The check fails above this: a share such as "1%" for error-rate, a time such as "500ms" for latency.'),
  percentile: percentile().describe('Percentile of the latency: an integer, or a string such as "99.9". Assumed: 99.').optional(),
  statusCodes: set(statusCode, 20).describe('Responses that count as errors. Assumed: 5xx.').optional(),
  grpcStatus: set(integer(1, 16), 16).describe('Status codes of gRPC that count as errors. Assumed: 2, 4, 13, 14, 15.').optional(),
  failureThreshold: integer(1, 100)
    .describe('Failed checks in a row that roll the canary back. Assumed: analysis.failureThreshold.')
    .optional(),
  minRequests: requests().describe("Requests that must have been judged before a step may pass. Assumed: the step's.").optional(),
  dryRun: z.boolean().describe('Judged and shown, but decides nothing. Assumed: false.').optional(),
})

type WrittenMetric = z.output<typeof metricFields>
type MetricKind = (typeof metricKinds)[number]

const kindCel = '(has(self.metric) ? self.metric : self.name)'

const maxOf = (kind: MetricKind, shape: string, message: string): Rule<WrittenMetric> => ({
  cel: `${kindCel} != '${kind}' || string(self.max).matches(r'${shape}')`,
  message,
  holds: (metric) => metricKind(metric) !== kind || new RegExp(shape).test(String(metric.max)),
  path: 'max',
})

const onlyFor = (kind: MetricKind, path: 'percentile' | 'statusCodes' | 'grpcStatus'): Rule<WrittenMetric> => ({
  cel: `!has(self.${path}) || ${kindCel} == '${kind}'`,
  message: `is only for ${kind}: leave it out`,
  holds: (metric) => metric[path] === undefined || metricKind(metric) === kind,
  path,
})

const metricSchema = ruled(metricFields, [
  {
    cel: `has(self.metric) || self.name in ['${metricKinds.join("', '")}']`,
    message: `must be ${metricKinds.join(' or ')}; under another name write metric: error-rate or metric: latency beside it`,
    holds: (metric) => metric.metric !== undefined || metricKinds.some((kind) => kind === metric.name),
    path: 'name',
  },
  maxOf('error-rate', '^(100(\\.0+)?|[0-9]{1,2}(\\.[0-9]+)?)%$', 'must be a share from 0% to 100% for error-rate, such as "1%"'),
  maxOf('latency', '^[0-9.]*[1-9][0-9.]*m?s$', 'must be a time above 0 for latency, such as "500ms" or "1.5s"'),
  onlyFor('latency', 'percentile'),
  onlyFor('error-rate', 'statusCodes'),
  onlyFor('error-rate', 'grpcStatus'),
])

const schedule = text(/^[^ ]+( [^ ]+){4,5}$/, 128, 'must be a cron expression of five or six fields, such as "*/30 * * * * *"')

/** How a release is judged: when, on what, and how strictly. */
export const analysisSchema = ruled(fields({
  interval: duration('1s', '1h').describe('Time between two checks. Not beside schedule. Assumed: 30s.').optional(),
  schedule: schedule.describe('Cron expression for the times of the checks, in UTC. Not beside interval.').optional(),
  failureThreshold: integer(1, 100).describe('Failed checks in a row that roll the canary back.').default(2),
  minRequests: requests().describe('Requests that each metric must have judged in each step.').default(50),
  initialDelay: duration('0s', '1h').describe('How long after a raise checks are shown but not judged.').default('0s'),
  noData: z.enum(['Hold', 'Pass', 'Fail'])
    .describe('What a step without requests comes to at the end of "for". A source in error always holds.')
    .default('Hold'),
  metrics: keyed(metricSchema, ['name'], 20)
    .describe('What is judged; an empty list judges nothing.')
    .default([{ name: 'error-rate', max: '1%' }]),
}), [{
  cel: '!has(self.interval) || !has(self.schedule)',
  message: 'must not have both interval and schedule: leave one out',
  holds: (analysis) => analysis.interval === undefined || analysis.schedule === undefined,
}])
