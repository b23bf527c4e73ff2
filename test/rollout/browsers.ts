import { setMaxListeners } from 'node:events'
import type { Harness } from '../harness.ts'

type Options = { readonly host?: string; readonly everyMs?: number; readonly headers?: Readonly<Record<string, string>> }

/** One answer to one browser. */
export type Seen = { readonly at: number; readonly status: number; readonly version: string; readonly given: string | undefined }

/** Users with a cookie jar each, who come again and again; from a pod in the mesh, for what they ask is not another's to forward. */
export class Browsers {
  readonly seen: readonly Seen[][]
  readonly jars: readonly Map<string, string>[]
  readonly #harness: Harness

  constructor(harness: Harness, count: number, { host = 'service-c', everyMs = 200, headers = {} }: Options = {}) {
    this.#harness = harness
    setMaxListeners(0, harness.ended)
    this.seen = Array.from({ length: count }, () => [])
    this.jars = this.seen.map(() => new Map<string, string>())
    for (const index of this.seen.keys()) void this.#visit(index, { host, everyMs, headers })
  }

  /** What everybody met last. */
  last(): readonly string[] {
    return this.seen.map((answers) => answers.at(-1)?.version ?? 'none')
  }

  /** The share of browsers that met this version last. */
  share(version: string): number {
    return this.last().filter((met) => met === version).length / this.seen.length
  }

  async #visit(index: number, { host, everyMs, headers }: Required<Options>): Promise<void> {
    const { clock, sandbox, ended, insider } = this.#harness
    const jar = this.jars[index] ?? new Map<string, string>()
    // Not all in one moment: nobody's browser does.
    await clock.sleep((index % 10) * (everyMs / 10), ended).catch(() => undefined)
    while (!ended.aborted) {
      const workload = insider()
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
      if (workload !== undefined) {
        const at = clock.monotonic()
        const answer = await sandbox.mesh.request(workload, { method: 'GET', host, path: '/', headers: { ...headers, ...(cookie === '' ? {} : { cookie }) } })
        const given = answer.headers['set-cookie']
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(given ?? '') ?? []
        if (name !== undefined && value !== undefined) jar.set(name, value)
        this.seen[index]?.push({ at, status: answer.status, version: answer.headers['x-version'] ?? 'none', given })
      }
      await clock.sleep(everyMs, ended).catch(() => undefined)
    }
  }
}
