import type { Metric } from '../api/settings.ts'
import type { Check, Verdict } from '../canary/world.ts'
import { quantile } from './quantile.ts'
import { total, type Tally } from './tally.ts'

/** Whose requests are judged, and by whose word. */
export type Subject = {
  readonly workload: string
  readonly namespace: string
  /** Callers' proxies where users meet it; its own proxy in steps that only mirror or match. */
  readonly reporter: 'source' | 'destination'
  /** Of the step. */
  readonly minRequests: number
}

export type Tallies = { readonly counts: Tally; readonly durations: Tally }

/** What one metric says of what was tallied since the step began. */
export type Look = {
  readonly verdict: Verdict
  readonly value: string | undefined
  readonly requests: number
  readonly needed: number
  readonly message: string
}

/** Judges one metric by its absolute limit. Never a guess: too little to say is a verdict of its own. */
export function lookAt(metric: Metric, subject: Subject, tallies: Tallies): Look {
  return metric.kind === 'error-rate' ? errorRate(metric, subject, tallies) : latency(metric, subject, tallies)
}

/** The look as a check, with its place in the row of failed looks. While `judged` is false it is shown only. */
export function checkOf(metric: Metric, look: Look, before: Check | undefined, at: { readonly now: number; readonly judged: boolean }): Check {
  const kept = before?.failures ?? 0
  const counts = at.judged && look.verdict === 'Fail'
  const failures = counts ? kept + 1 : look.verdict === 'Pass' ? 0 : kept
  return { ...look, name: metric.name, bound: boundOf(metric), failures, failureThreshold: metric.failureThreshold, dryRun: metric.dryRun, at: at.now }
}

/** The check of a look that came to nothing: the source is in error, and nothing is concluded. */
export const blindCheck = (metric: Metric, message: string, before: Check | undefined, now: number): Check =>
  checkOf(metric, { verdict: 'Error', value: undefined, requests: before?.requests ?? 0, needed: 0, message: `Prometheus: ${message}` }, before, { now, judged: false })

function errorRate(metric: Metric, subject: Subject, { counts }: Tallies): Look {
  const mine = ofSubject(subject)
  const requests = total(counts, mine)
  const errors = total(counts, (labels) => mine(labels) && isError(metric, labels))
  const share = requests === 0 ? 0 : errors / requests
  return weighed(metric, subject, { requests, value: percent(share), exceeds: share > metric.max, noun: 'error-rate' })
}

function latency(metric: Metric, subject: Subject, { durations }: Tallies): Look {
  const mine = ofSubject(subject)
  const bounds = new Map<number, number>()
  for (const { labels, by } of durations.values()) {
    const upTo = labels['le'] === '+Inf' ? Infinity : Number(labels['le'])
    if (mine(labels)) bounds.set(upTo, (bounds.get(upTo) ?? 0) + by)
  }
  const buckets = [...bounds].map(([upTo, count]) => ({ upTo, count }))
  const value = quantile(buckets, metric.percentile / 100) ?? 0
  const beyond = Math.max(0, ...[...bounds.keys()].filter(Number.isFinite))
  const shown = value === Infinity ? `>${beyond}ms` : `${Math.round(value)}ms`
  return weighed(metric, subject, { requests: bounds.get(Infinity) ?? 0, value: shown, exceeds: value > metric.max, noun: `p${metric.percentile}` })
}

type Weight = { readonly requests: number; readonly value: string; readonly exceeds: boolean; readonly noun: string }

function weighed(metric: Metric, subject: Subject, { requests, value, exceeds, noun }: Weight): Look {
  const least = metric.minRequests ?? subject.minRequests
  const needed = Math.max(0, least - Math.floor(requests))
  const said = `${noun} ${value} of ${Math.floor(requests)} requests, limit ${boundOf(metric)}`
  if (requests === 0 && least > 0) return { verdict: 'NoData', value: undefined, requests: 0, needed, message: `${metric.name}: no requests yet, ${needed} needed` }
  if (requests === 0) return { verdict: 'Pass', value: undefined, requests: 0, needed: 0, message: `${metric.name}: no requests, none required` }
  if (needed > 0) return { verdict: 'NotEnoughEvidence', value, requests: Math.floor(requests), needed, message: `${metric.name}: ${needed} more requests needed` }
  return { verdict: exceeds ? 'Fail' : 'Pass', value, requests: Math.floor(requests), needed: 0, message: exceeds ? `${said} exceeded` : said }
}

const ofSubject = ({ workload, namespace, reporter }: Subject) => (labels: Readonly<Record<string, string>>): boolean =>
  labels['reporter'] === reporter && labels['destination_workload'] === workload && labels['destination_workload_namespace'] === namespace

/** A fault that the user injects (FI) never counts against a version. */
function isError({ statusCodes, grpcStatus }: Metric, labels: Readonly<Record<string, string>>): boolean {
  const code = labels['response_code'] ?? ''
  if ((labels['response_flags'] ?? '').split(',').includes('FI')) return false
  const byCode = statusCodes.some((wanted) => (wanted.endsWith('xx') ? code.length === 3 && code.startsWith(wanted.charAt(0)) : wanted === code))
  const grpc = labels['grpc_response_status']
  return byCode || (grpc !== undefined && grpc !== '' && grpcStatus.includes(Number(grpc)))
}

const percent = (share: number): string => `${Number((share * 100).toFixed(2))}%`

const boundOf = (metric: Metric): string => (metric.kind === 'error-rate' ? percent(metric.max) : `${metric.max}ms`)
