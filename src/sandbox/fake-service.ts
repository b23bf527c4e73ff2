import type { Clock } from '../runtime/clock.ts'
import type { MeshRequest, MeshResponse } from './mesh.ts'
import type { KubeObject } from './objects.ts'
import { durationMs } from './route-decision.ts'
import { namespaceOf, specOf } from './route-objects.ts'
import type { StringMap } from './route-objects.ts'

/** Calls a URI through the pod's own proxy. */
export type Call = (uri: string, request: Pick<MeshRequest, 'method' | 'path' | 'headers'>) => Promise<MeshResponse>

/** A pod's program. */
export type App = (request: MeshRequest, call: Call) => Promise<MeshResponse>

type Surroundings = {
  readonly clock: Clock
  /** Numbers in [0, 1), for simulated latency. */
  readonly random: () => number
  /** Aborted when the pod ends: what sleeps then rejects. */
  readonly signal: AbortSignal
}

type Outcome = { readonly code: number; readonly error?: string; readonly calls?: Readonly<Record<string, unknown>> }

type EnvVar = {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath?: string } }
}
type PodSpec = { readonly containers?: readonly { readonly env?: readonly EnvVar[] }[] }

/** The environment of a pod's first container; of references only the pod's own name and namespace are known. */
export function environmentOf(pod: KubeObject): StringMap {
  const fields: StringMap = { 'metadata.namespace': namespaceOf(pod), 'metadata.name': pod.metadata.name }
  const env = specOf<PodSpec>(pod).containers?.[0]?.env ?? []
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => [name, value ?? fields[valueFrom?.fieldRef?.fieldPath ?? ''] ?? '']),
  )
}

/**
 * A stand-in for nicholasjackson/fake-service, told by the pod's environment. Two differences: upstreams are called with
 * the caller's method and headers, and ERROR_METHODS (a comma list) confines injected errors to those methods.
 */
export function createFakeService(pod: KubeObject, { clock, random, signal }: Surroundings): App {
  const env = environmentOf(pod)
  const version = pod.metadata.labels?.['version'] ?? ''
  const inject = createErrorInjector(env)
  const upstreams = (env['UPSTREAM_URIS'] ?? '')
    .split(',')
    .map((uri) => uri.trim())
    .filter((uri) => uri !== '')

  const outcomeOf = async (request: MeshRequest, call: Call, startedMs: number): Promise<Outcome> => {
    const injected = inject(request.method)
    if (injected !== undefined) {
      if (injected.delayMs > 0) await clock.sleep(injected.delayMs, signal)
      return injected
    }
    const calls: Record<string, unknown> = {}
    for (const uri of upstreams) calls[uri] = upstreamEntry(uri, await call(uri, request))
    if (Object.values(calls).some((entry) => entry !== undefined && failed(entry))) return { code: 500, calls }
    const restMs = latencyMs(env, random) - (clock.monotonic() - startedMs)
    if (restMs > 0) await clock.sleep(restMs, signal)
    return upstreams.length > 0 ? { code: 200, calls } : { code: 200 }
  }
  return async (request, call) => {
    if (request.path === '/health' || request.path === '/ready')
      return { status: 200, headers: { 'x-version': version }, body: 'OK' }
    const [startedMs, startedAt] = [clock.monotonic(), clock.now()]
    const outcome = await outcomeOf(request, call, startedMs)
    const body = {
      name: env['NAME'] ?? 'Service',
      owner: env['SERVICE_OWNER'],
      uri: request.path,
      type: 'HTTP',
      start_time: timestamp(startedAt),
      end_time: timestamp(clock.now()),
      duration: `${(clock.monotonic() - startedMs).toFixed(3)}ms`,
      body: outcome.code === 200 ? (env['MESSAGE'] ?? 'Hello World') : undefined,
      upstream_calls: outcome.calls,
      code: outcome.code,
      error: outcome.error,
    }
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-version': version }
    return { status: outcome.code, headers, body: `${JSON.stringify(body, undefined, 2)}\n` }
  }
}

type Injected = { readonly code: number; readonly error: string; readonly delayMs: number }

/** fake-service's own rule, an error when count mod int(1/rate) is 0: 0.4 fails every second request, 0.6 every one. */
function createErrorInjector(env: StringMap): (method: string) => Injected | undefined {
  const rate = Math.min(1, Number(env['ERROR_RATE'] ?? 0))
  const every = rate > 0 ? Math.floor(1 / rate) : Infinity
  const methods = (env['ERROR_METHODS'] ?? '')
    .split(',')
    .map((method) => method.trim().toUpperCase())
    .filter((method) => method !== '')
  const delays = (env['ERROR_TYPE'] ?? 'http_error') !== 'http_error'
  const injected = {
    code: Number(env['ERROR_CODE'] ?? 500),
    error: `Service ${delays ? 'delay' : 'error'} automatically injected`,
    delayMs: delays ? durationMs(env['ERROR_DELAY'] ?? '0s') : 0,
  }
  let count = 0
  return (method) => {
    if (methods.length > 0 && !methods.includes(method)) return undefined
    count += 1
    return count % every === 0 ? injected : undefined
  }
}

/** Nine in ten requests take the 50th percentile's time, as in the original; the variance only ever lengthens. */
function latencyMs(env: StringMap, random: () => number): number {
  const p50 = env['TIMING_50_PERCENTILE'] ?? '0s'
  const p90 = env['TIMING_90_PERCENTILE'] ?? p50
  const p99 = env['TIMING_99_PERCENTILE'] ?? p90
  const draw = random()
  const base = durationMs(draw < 0.9 ? p50 : draw < 0.99 ? p90 : p99)
  return base * (1 + (random() * Number(env['TIMING_VARIANCE'] ?? 0)) / 100)
}

function upstreamEntry(uri: string, { status, headers, body }: MeshResponse): Record<string, unknown> {
  const error = status === 200 ? undefined : `Error processing upstream request: ${uri}/, expected code 200, got ${status}`
  return { ...parsed(body), uri, headers, code: status, error }
}

/** A proxy's own answer is no JSON. */
function parsed(body: string): object {
  return body.startsWith('{') ? (JSON.parse(body) as object) : {}
}

const failed = (entry: unknown): boolean => (entry as { readonly code: number }).code !== 200

const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, -1)}000`
