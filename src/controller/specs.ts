import type { Canary, CanarySpec, CanaryStatus } from '../api/canary.ts'
import { parseCanary, type ParsedCanary, type Problem } from '../api/parse.ts'
import { settingsOf, type Settings } from '../api/settings.ts'
import { condition } from '../canary/conditions.ts'
import type { World } from '../canary/world.ts'
import { jsonOf } from '../istio/json.ts'
import type { KubeObject } from '../runtime/object.ts'
import { calendarProblems } from './windows.ts'

export type SpecsOptions = {
  /** What a Canary waits for a route to spread when it does not say, milliseconds. */
  readonly propagationMs: number
  /** Why nothing may be advanced, such as an older CRD on the server; undefined when all is well. */
  readonly frozen: () => string | undefined
}

/** A spec to act on, if any; and what is wrong with the one that stands. */
export type Read = { readonly usable: { readonly canary: Canary; readonly settings: Settings } | undefined; readonly problem: string | undefined }

/** The specs of all Canaries. Of one that cannot be used the last one that could still protects users, and nothing else. */
export class Specs {
  readonly #options: SpecsOptions
  readonly #parsed = new WeakMap<KubeObject, ParsedCanary>()
  readonly #usable = new Map<string, CanarySpec>()
  readonly #problems = new Map<string, string>()

  constructor(options: SpecsOptions) {
    this.#options = options
  }

  read(key: string, object: KubeObject): Read {
    const parsed = this.#parse(object)
    if (!parsed.ok) return this.#refused(key, object, parsed.problems)
    const settings = this.#settings(parsed.canary)
    const problems = this.#usable.get(key) === parsed.canary.spec ? [] : calendarProblems(settings)
    if (problems.length > 0) return this.#refused(key, object, problems)
    this.#usable.set(key, parsed.canary.spec)
    this.#problems.delete(key)
    return { usable: { canary: parsed.canary, settings }, problem: undefined }
  }

  /** What is wrong with the one that was read last. */
  problem(key: string): string | undefined {
    return this.#problems.get(key)
  }

  forget(key: string): void {
    this.#usable.delete(key)
    this.#problems.delete(key)
  }

  /** Once for each version of the object: what a store hands out never changes. */
  #parse(object: KubeObject): ParsedCanary {
    const parsed = this.#parsed.get(object) ?? parseCanary(object)
    this.#parsed.set(object, parsed)
    return parsed
  }

  #settings(canary: Canary): Settings {
    const settings = settingsOf(canary.spec, this.#options)
    return this.#options.frozen() === undefined ? settings : { ...settings, suspend: true }
  }

  #refused(key: string, object: KubeObject, problems: readonly Problem[]): Read {
    const problem = problems.map(({ path, message }) => `${path}: ${message}`).join('; ').slice(0, 1000)
    this.#problems.set(key, problem)
    const last = parseCanary({ ...object, spec: this.#usable.get(key) ?? essentials(object) })
    if (!last.ok) return { problem, usable: undefined }
    const settings = this.#settings(last.canary)
    // Whoever writes it means it, whatever else is wrong.
    const onDelete = jsonOf(object['spec'])['onDelete'] === 'Orphan' ? 'Orphan' : settings.onDelete
    return { problem, usable: { canary: last.canary, settings: { ...settings, suspend: true, onDelete } } }
  }
}

/** What protection needs of a spec that cannot be used otherwise, after a restart: whose versions, and which Service. */
function essentials(object: KubeObject): object {
  const { versions, targetRef, service } = jsonOf(object['spec'])
  return { versions, targetRef, service, analysis: { metrics: [] } }
}

/** The status, with what is wrong with the spec. */
export function stalled(status: CanaryStatus, message: string, world: Pick<World, 'status' | 'now'>): CanaryStatus {
  const invalid = condition({ world: world as World }, 'Stalled', ['True', 'InvalidSpec', message])
  return { ...status, message, conditions: [...status.conditions.filter(({ type }) => type !== 'Stalled'), invalid] }
}
