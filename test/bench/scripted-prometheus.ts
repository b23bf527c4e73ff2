import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Member } from './fleet.ts'

/** Requests a second that reach a version while a route names it. */
const RATE = 40

const BUCKETS = ['0.5', '1', '5', '10', '25', '50', '100', '250', '500', '1000', '2500', '5000', '10000', '30000', '60000', '+Inf'] as const
/** Every answer takes 5 to 10 ms. */
const FIRST_FULL = BUCKETS.indexOf('10')

/** What a version gets: from when to when it was routed to, and since when all its answers are errors (wall clock, milliseconds). */
type Traffic = { readonly fromMs: number; toMs: number; badFromMs: number }

/** One query: when it came, when its answer was out, and how many series that held. */
export type Query = { readonly atMs: number; readonly answeredMs: number; readonly series: number }

/**
 * A Prometheus whose counters are made up: one caller's pod and one pod of each version report every Service. It knows
 * the three queries that Serin asks and nothing else; there is no scrape, so what happens is seen at the next check.
 */
export class ScriptedPrometheus {
  readonly queries: Query[] = []
  readonly #traffic = new Map<string, Map<string, Traffic>>()
  readonly #members: ReadonlyMap<string, Member>
  readonly #clock: { readonly now: () => number; readonly monotonic: () => number }

  constructor(fleet: readonly Member[], clock: { readonly now: () => number; readonly monotonic: () => number }) {
    this.#members = new Map(fleet.map((member) => [member.host, member]))
    this.#clock = clock
  }

  /** From now on the versions in `weights` are routed to, and no other. */
  routed(host: string, versions: readonly string[]): void {
    const known = this.#traffic.get(host) ?? new Map<string, Traffic>()
    this.#traffic.set(host, known)
    const now = this.#clock.now()
    for (const [version, traffic] of known) if (!versions.includes(version)) traffic.toMs = Math.min(traffic.toMs, now)
    for (const version of versions) if ((known.get(version)?.toMs ?? 0) < now) known.set(version, { fromMs: now, toMs: Infinity, badFromMs: Infinity })
  }

  /** All answers of this version are errors from `atMs` on (wall clock). */
  fails(host: string, version: string, atMs: number): void {
    const traffic = this.#traffic.get(host)?.get(version)
    if (traffic !== undefined) traffic.badFromMs = atMs
  }

  /** Serves on a port of that address until closed. */
  async listen(host = '127.0.0.1'): Promise<{ readonly url: string; readonly close: () => void }> {
    const server = createServer((request, response) => {
      const atMs = this.#clock.monotonic()
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const query = new URLSearchParams(request.method === 'POST' ? Buffer.concat(chunks).toString() : new URL(request.url ?? '', 'http://x').search)
        const samples = this.#answer(query)
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(`{"status":"success","data":{"resultType":"vector","result":[${samples.join(',')}]}}`, () => this.queries.push({ atMs, answeredMs: this.#clock.monotonic(), series: samples.length }))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    const { port } = server.address() as AddressInfo
    const close = () => {
      server.close()
      server.closeAllConnections()
    }
    return { url: `http://${host}:${port}`, close }
  }

  #answer(parameters: URLSearchParams): readonly string[] {
    const query = parameters.get('query') ?? ''
    const atMs = parameters.has('time') ? Number(parameters.get('time')) * 1000 : this.#clock.now()
    const hosts = /destination_service=~"([^"]*)"/.exec(query)?.[1]?.replaceAll('\\\\', '').split('|')
    // Nothing is ever answered by the mesh itself.
    if (hosts === undefined) return []
    const series = query.includes('_bucket{') ? durations : counts
    return hosts.flatMap((host) => [...(this.#traffic.get(host) ?? [])].flatMap(([version, traffic]) => series(this.#base(host, version), traffic, atMs)))
  }

  #base(host: string, version: string): (reporter: string, rest: string, value: number, atMs: number) => string {
    const { name = '', namespace = '' } = this.#members.get(host) ?? {}
    return (reporter, rest, value, atMs) =>
      `{"metric":{"instance":"10.1.2.3:15020","pod":"${reporter === 'source' ? 'gateway-5f6d8c7b9-x2x4z' : `${name}-${version}-7d9c6b5f4-q8w9e`}","reporter":"${reporter}","destination_service":"${host}","destination_workload":"${name}-${version}","destination_workload_namespace":"${namespace}",${rest}},"value":[${atMs / 1000},"${value}"]}`
  }
}

type Series = (base: (reporter: string, rest: string, value: number, atMs: number) => string, traffic: Traffic, atMs: number) => readonly string[]

const REPORTERS = ['source', 'destination'] as const

const requestsUntil = ({ fromMs, toMs }: Traffic, atMs: number): number => Math.max(0, Math.floor(((Math.min(atMs, toMs) - fromMs) * RATE) / 1000))

const counts: Series = (base, traffic, atMs) => {
  const all = requestsUntil(traffic, atMs)
  const errors = Math.min(all, requestsUntil({ ...traffic, fromMs: traffic.badFromMs }, atMs))
  const code = (text: string) => `"response_code":"${text}","response_flags":"-","grpc_response_status":""`
  return REPORTERS.flatMap((reporter) => [base(reporter, code('200'), all - errors, atMs), ...(errors === 0 ? [] : [base(reporter, code('500'), errors, atMs)])])
}

const durations: Series = (base, traffic, atMs) => {
  const all = requestsUntil(traffic, atMs)
  return REPORTERS.flatMap((reporter) => BUCKETS.map((le, index) => base(reporter, `"le":"${le}"`, index < FIRST_FULL ? 0 : all, atMs)))
}
