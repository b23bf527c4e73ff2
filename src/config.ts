import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { formatDuration, parseDuration } from './api/duration.ts'
import type { ElectionSettings, OperatorSettings, Uninstall } from './operator.ts'
import type { LogLevel } from './runtime/log.ts'

/** What flags and environment come to. */
export type Config = {
  readonly operator: OperatorSettings
  readonly prometheusUrl: string
  readonly kubeconfig: string | undefined
  readonly context: string | undefined
  readonly logLevel: LogLevel
  /** Set where nothing is to run, and everything to be let go. */
  readonly uninstall: Uninstall | undefined
}

/** Where a pod finds the name of its namespace. */
const NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace'

const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

const FLAGS = {
  'prometheus-url': ['http://prometheus.istio-system:9090', 'where Prometheus is'],
  'watch-namespaces': ['', 'namespaces to watch, separated by commas; the whole cluster when empty'],
  propagation: ['15s', 'how long a route takes to reach every proxy, where a Canary does not say'],
  concurrency: ['8', 'canaries reconciled at once; as many more workers are kept free for those that fail'],
  'max-rollouts': ['0', 'releases that may be under way at once in the cluster; any number when 0'],
  'max-rollouts-per-namespace': ['0', 'releases that may be under way at once in each namespace; any number when 0'],
  'request-timeout': ['5s', 'deadline of a request to the API server'],
  'query-timeout': ['5s', 'deadline of a query to Prometheus'],
  'health-port': ['8080', 'port of /healthz, /readyz and /metrics'],
  'root-namespace': ['istio-system', "Istio's root namespace"],
  'cluster-domain': ['cluster.local', "domain of the cluster's Services"],
  'track-secrets': ['false', 'watch the metadata of Secrets, and read those that Canaries with trackConfig: All track: true or false'],
  'leader-elect': ['true', 'write only while holding a lease, so that replicas do not write at once: true or false'],
  'leader-elect-lease': ['serin', 'name of the lease'],
  'leader-elect-namespace': ['', "namespace of the lease; the pod's own when empty, serin-system outside a cluster"],
  'lease-duration': ['15s', 'how long after its last renewal another replica takes the lease'],
  'renew-deadline': ['10s', 'how long the leader tries to renew before it ends'],
  'retry-period': ['2s', 'how often the lease is renewed, or asked for'],
  uninstall: ['', "name of the operator's Deployment: stops it, takes Serin's finalizer off every Canary, and ends"],
  'log-level': ['info', LEVELS.join(', ')],
  kubeconfig: ['', 'path of a kubeconfig; in a cluster: the service account'],
  context: ['', 'context of the kubeconfig'],
} as const satisfies Readonly<Record<string, readonly [string, string]>>

/** The text of --help. */
export const usage = (): string =>
  ['Usage: serin [flags]', '', ...Object.entries(FLAGS).map(([name, [fallback, text]]) => `  --${name.padEnd(26)} ${text}${fallback === '' ? '' : ` (${fallback})`}`), ''].join('\n')

/** The only reader of flags and environment. Throws an Error that names the flag and what to write instead. */
export function readConfig(argv: readonly string[], env: Readonly<Record<string, string | undefined>>, namespaceFile = NAMESPACE_FILE): Config | 'help' {
  const options = Object.fromEntries([...Object.keys(FLAGS).map((name) => [name, { type: 'string' }]), ['help', { type: 'boolean' }]]) as Record<string, { type: 'string' }>
  const { values } = parseArgs({ args: [...argv], options, allowPositionals: false })
  if (values['help'] !== undefined) return 'help'
  const text = (name: Flag): string => values[name] ?? FLAGS[name][0]
  const settings = operatorSettings(text, env['HOSTNAME'] ?? 'serin')
  const deployment = unlessEmpty(text('uninstall'))
  const ownNamespace = () => unlessEmpty(env['POD_NAMESPACE'] ?? '') ?? (existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : 'serin-system')
  const leaseNamespace = () => unlessEmpty(text('leader-elect-namespace')) ?? ownNamespace()
  return {
    operator: { ...settings, election: truth('leader-elect', text('leader-elect')) ? election(text, leaseNamespace, settings.requestTimeoutMs) : undefined },
    prometheusUrl: url('prometheus-url', text('prometheus-url')),
    kubeconfig: unlessEmpty(text('kubeconfig')),
    context: unlessEmpty(text('context')),
    logLevel: level(text('log-level')),
    uninstall: deployment === undefined ? undefined : {
      deployment: `${leaseNamespace()}/${deployment}`, lease: `${leaseNamespace()}/${text('leader-elect-lease')}`, namespaces: settings.namespaces,
    },
  }
}

/** What every flag's default comes to, without a health port and without election: for whoever runs an operator inside another program. */
export const defaultSettings = (instance: string): OperatorSettings => ({ ...operatorSettings((name) => FLAGS[name][0], instance), healthPort: undefined })

type Flag = keyof typeof FLAGS

const operatorSettings = (text: (name: Flag) => string, instance: string): OperatorSettings => ({
  namespaces: namespaces('watch-namespaces', text('watch-namespaces')),
  concurrency: count('concurrency', text('concurrency')),
  maxRollouts: count('max-rollouts', text('max-rollouts'), 0),
  maxRolloutsPerNamespace: count('max-rollouts-per-namespace', text('max-rollouts-per-namespace'), 0),
  propagationMs: duration('propagation', text('propagation')),
  requestTimeoutMs: duration('request-timeout', text('request-timeout')),
  queryTimeoutMs: duration('query-timeout', text('query-timeout')),
  rootNamespace: text('root-namespace'),
  clusterDomain: text('cluster-domain'),
  trackSecrets: truth('track-secrets', text('track-secrets')),
  healthPort: count('health-port', text('health-port')),
  instance,
  election: undefined,
})

function election(text: (name: Flag) => string, namespace: () => string, requestTimeoutMs: number): ElectionSettings {
  const [leaseDurationMs, renewDeadlineMs, retryPeriodMs] = [duration('lease-duration', text('lease-duration')), duration('renew-deadline', text('renew-deadline')), duration('retry-period', text('retry-period'))]
  const spareMs = leaseDurationMs - renewDeadlineMs
  const rules: readonly (readonly [boolean, Flag, string])[] = [
    [text('leader-elect-lease') !== '', 'leader-elect-lease', 'a name, such as serin'],
    [retryPeriodMs > 0, 'retry-period', 'more than 0s'],
    [renewDeadlineMs > 1.2 * retryPeriodMs, 'renew-deadline', `more than 1.2 times --retry-period, ${formatDuration(1.2 * retryPeriodMs)}: there must be time for a second try`],
    [spareMs > 0, 'lease-duration', `more than --renew-deadline, ${formatDuration(renewDeadlineMs)}: the leader must have given up when others take over`],
    [requestTimeoutMs <= spareMs, 'request-timeout', `at most --lease-duration less --renew-deadline, ${formatDuration(spareMs)}: no write may outlive the lease`],
  ]
  const broken = rules.find(([holds]) => !holds)
  if (broken !== undefined) throw new Error(`--${broken[1]}: "${text(broken[1])}" does not do: write ${broken[2]}`)
  return { lease: { namespace: namespace(), name: text('leader-elect-lease') }, leaseDurationMs, renewDeadlineMs, retryPeriodMs }
}

const unlessEmpty = (text: string): string | undefined => (text === '' ? undefined : text)

function count(flag: string, text: string, least = 1): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > 65_535) throw new Error(`--${flag}: "${text}" is no whole number from ${least} to 65535`)
  return value
}

function namespaces(flag: string, text: string): readonly string[] {
  const names = text === '' ? [] : text.split(',')
  const wrong = names.find((name, index) => !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name) || names.indexOf(name) !== index)
  if (wrong !== undefined) throw new Error(`--${flag}: "${text}" does not do: write names of namespaces, each once, such as shop,bank`)
  return names
}

function truth(flag: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new Error(`--${flag}: "${text}" is neither true nor false`)
  return text === 'true'
}

function duration(flag: string, text: string): number {
  try {
    return parseDuration(text)
  } catch (cause) {
    throw new Error(`--${flag}: "${text}" is no duration: write 15s or 1m30s`, { cause })
  }
}

function url(flag: string, text: string): string {
  if (!/^https?:\/\/[^\s/]\S*$/.test(text)) throw new Error(`--${flag}: "${text}" is no http or https URL`)
  return text.replace(/\/+$/, '')
}

function level(text: string): LogLevel {
  const found = LEVELS.find((known) => known === text)
  if (found === undefined) throw new Error(`--log-level: "${text}" is none of ${LEVELS.join(', ')}`)
  return found
}
