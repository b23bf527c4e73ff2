import { parseArgs } from 'node:util'
import { parseDuration } from './api/duration.ts'
import type { OperatorSettings } from './operator.ts'
import type { LogLevel } from './runtime/log.ts'

/** What flags and environment come to. */
export type Config = {
  readonly operator: OperatorSettings
  readonly prometheusUrl: string
  readonly kubeconfig: string | undefined
  readonly context: string | undefined
  readonly logLevel: LogLevel
}

const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

const FLAGS = {
  'prometheus-url': ['http://prometheus.istio-system:9090', 'where Prometheus is'],
  namespace: ['', 'watch one namespace only; the whole cluster when empty'],
  propagation: ['15s', 'how long a route takes to reach every proxy, where a Canary does not say'],
  concurrency: ['8', 'canaries reconciled at once'],
  'request-timeout': ['5s', 'deadline of a request to the API server'],
  'query-timeout': ['5s', 'deadline of a query to Prometheus'],
  'health-port': ['8080', 'port of /healthz, /readyz and /metrics'],
  'root-namespace': ['istio-system', "Istio's root namespace"],
  'cluster-domain': ['cluster.local', "domain of the cluster's Services"],
  'log-level': ['info', LEVELS.join(', ')],
  kubeconfig: ['', 'path of a kubeconfig; in a cluster: the service account'],
  context: ['', 'context of the kubeconfig'],
} as const satisfies Readonly<Record<string, readonly [string, string]>>

/** The text of --help. */
export const usage = (): string =>
  ['Usage: serin [flags]', '', ...Object.entries(FLAGS).map(([name, [fallback, text]]) => `  --${name.padEnd(18)} ${text}${fallback === '' ? '' : ` (${fallback})`}`), ''].join('\n')

/** The only reader of flags and environment. Throws an Error that names the flag and what to write instead. */
export function readConfig(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Config | 'help' {
  const options = Object.fromEntries([...Object.keys(FLAGS).map((name) => [name, { type: 'string' }]), ['help', { type: 'boolean' }]]) as Record<string, { type: 'string' }>
  const { values } = parseArgs({ args: [...argv], options, allowPositionals: false })
  if (values['help'] !== undefined) return 'help'
  const text = (name: Flag): string => values[name] ?? FLAGS[name][0]
  return {
    operator: operatorSettings(text, env['HOSTNAME'] ?? 'serin'),
    prometheusUrl: url('prometheus-url', text('prometheus-url')),
    kubeconfig: unlessEmpty(text('kubeconfig')),
    context: unlessEmpty(text('context')),
    logLevel: level(text('log-level')),
  }
}

/** What every flag's default comes to, without a health port: for whoever runs an operator inside another program. */
export const defaultSettings = (instance: string): OperatorSettings => ({ ...operatorSettings((name) => FLAGS[name][0], instance), healthPort: undefined })

type Flag = keyof typeof FLAGS

const operatorSettings = (text: (name: Flag) => string, instance: string): OperatorSettings => ({
  namespace: unlessEmpty(text('namespace')),
  concurrency: count('concurrency', text('concurrency')),
  propagationMs: duration('propagation', text('propagation')),
  requestTimeoutMs: duration('request-timeout', text('request-timeout')),
  queryTimeoutMs: duration('query-timeout', text('query-timeout')),
  rootNamespace: text('root-namespace'),
  clusterDomain: text('cluster-domain'),
  healthPort: count('health-port', text('health-port')),
  instance,
})

const unlessEmpty = (text: string): string | undefined => (text === '' ? undefined : text)

function count(flag: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new Error(`--${flag}: "${text}" is no whole number from 1 to 65535`)
  return value
}

function duration(flag: string, text: string): number {
  try {
    return parseDuration(text)
  } catch (cause) {
    throw new Error(`--${flag}: "${text}" is no duration: write 15s or 1m30s`, { cause })
  }
}

function url(flag: string, text: string): string {
  if (!/^https?:\/\/[^\s/]+/.test(text)) throw new Error(`--${flag}: "${text}" is no http or https URL`)
  return text.replace(/\/+$/, '')
}

function level(text: string): LogLevel {
  const found = LEVELS.find((known) => known === text)
  if (found === undefined) throw new Error(`--log-level: "${text}" is none of ${LEVELS.join(', ')}`)
  return found
}
