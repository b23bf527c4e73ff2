import type { Clock } from '../runtime/clock.ts'
import { at, isFields, listAt, textAt } from './json.ts'
import type { MeshRequest, MeshResponse } from './mesh.ts'
import type { KubeObject } from './objects.ts'
import type { StringMap } from './route-objects.ts'

/** A pod's program. */
export type App = (request: MeshRequest) => Promise<MeshResponse>

type Surroundings = {
  readonly clock: Clock
  /** Numbers in [0, 1), for simulated latency. */
  readonly random: () => number
  /** Aborted when the pod ends: what sleeps then rejects. */
  readonly signal: AbortSignal
  /** Calls through the pod's own proxy. */
  readonly call: App
}

type Outcome = { readonly code: number; readonly error?: string; readonly upstream_calls?: Readonly<Record<string, unknown>> }

/** The environment of a pod's first container, without references. */
export function environmentOf(pod: KubeObject): StringMap {
  const variables = listAt(listAt(pod, 'spec', 'containers')[0], 'env')
  return Object.fromEntries(variables.map((each) => [textAt(each, 'name'), textAt(each, 'value')]))
}

/** A Go duration such as "1.5s", "200ms" or "1h30m" in milliseconds; 0 for what is none. */
export function durationMs(text = ''): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  const parts = [...text.matchAll(/([\d.]+)(ms|s|m|h)/g)]
  return parts.reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (units[unit] ?? 0), 0)
}

const listOf = (text = ''): readonly string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

/**
 * A stand-in for nicholasjackson/fake-service, told by the pod's environment. Two differences: upstreams are called with
 * the caller's method and headers, and ERROR_METHODS (a comma list) confines injected errors to those methods.
 */
export function createFakeService(pod: KubeObject, { clock, random, signal, call }: Surroundings): App {
  const env = environmentOf(pod)
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-version': pod.metadata.labels?.['version'] ?? '' }
  const inject = createErrorInjector(env)
  const upstreams = listOf(env['UPSTREAM_URIS'])

  const outcomeOf = async (request: MeshRequest, startedMs: number): Promise<Outcome> => {
    const injected = inject(request.method)
    if (injected !== undefined) {
      if (injected.delayMs > 0) await clock.sleep(injected.delayMs, signal)
      return { code: injected.code, error: injected.error }
    }
    const calls: Record<string, unknown> = {}
    for (const uri of upstreams) calls[uri] = upstreamEntry(uri, await call(outbound(uri, request)))
    const failed = Object.values(calls).some((entry) => at(entry, 'code') !== 200)
    const restMs = failed ? 0 : latencyMs(env, random) - (clock.monotonic() - startedMs)
    if (restMs > 0) await clock.sleep(restMs, signal)
    return { code: failed ? 500 : 200, ...(upstreams.length > 0 && { upstream_calls: calls }) }
  }
  return async (request) => {
    const startedMs = clock.monotonic()
    const outcome = await outcomeOf(request, startedMs)
    const duration = `${(clock.monotonic() - startedMs).toFixed(3)}ms`
    const said = outcome.code === 200 ? { body: env['MESSAGE'] ?? 'Hello World' } : {}
    const body = { name: env['NAME'] ?? 'Service', uri: request.path, type: 'HTTP', duration, ...said, ...outcome }
    return { status: outcome.code, headers, body: `${JSON.stringify(body, undefined, 2)}\n` }
  }
}

type Injected = { readonly code: number; readonly error: string; readonly delayMs: number }

/** fake-service's own rule, an error when count mod int(1/rate) is 0: 0.4 fails every second request, 0.6 every one. */
function createErrorInjector(env: StringMap): (method: string) => Injected | undefined {
  const rate = Math.min(1, Number(env['ERROR_RATE'] ?? 0))
  const every = rate > 0 ? Math.floor(1 / rate) : Infinity
  const methods = listOf(env['ERROR_METHODS']?.toUpperCase())
  const delays = (env['ERROR_TYPE'] ?? 'http_error') !== 'http_error'
  const error = `Service ${delays ? 'delay' : 'error'} automatically injected`
  const injected = { code: Number(env['ERROR_CODE'] ?? 500), error, delayMs: delays ? durationMs(env['ERROR_DELAY']) : 0 }
  let count = 0
  return (method) => (methods.length > 0 && !methods.includes(method)) || ++count % every !== 0 ? undefined : injected
}

/** Nine in ten requests take the 50th percentile's time, as in the original; the variance only ever lengthens. */
function latencyMs(env: StringMap, random: () => number): number {
  const p50 = env['TIMING_50_PERCENTILE']
  const p90 = env['TIMING_90_PERCENTILE'] ?? p50
  const draw = random()
  const base = durationMs(draw < 0.9 ? p50 : draw < 0.99 ? p90 : (env['TIMING_99_PERCENTILE'] ?? p90))
  return base * (1 + (random() * Number(env['TIMING_VARIANCE'] ?? 0)) / 100)
}

function outbound(uri: string, { method, path, headers }: MeshRequest): MeshRequest {
  const { host, pathname } = new URL(uri)
  return { method, host, path: pathname.replace(/\/$/, '') + path, headers }
}

function upstreamEntry(uri: string, { status, headers, body }: MeshResponse): Record<string, unknown> {
  const error = status === 200 ? undefined : `Error processing upstream request: ${uri}/, expected code 200, got ${status}`
  // A proxy's own answer is no JSON.
  const said: unknown = body.startsWith('{') ? JSON.parse(body) : {}
  return { ...(isFields(said) ? said : {}), uri, headers, code: status, error }
}
