import { canonicalJson } from '../../src/canary/template-hash.ts'
import { EVERY_POD } from '../../src/canary/world.ts'
import { reachOf, type Lists, type Objects } from './objects.ts'

/** What one kind of thing looks like to one proxy, now and in what is still on its way. */
type View<T> = { now: T; coming: { at: number; value: T }[] }

export type Proxy = {
  readonly routes: View<readonly string[]>
  readonly subsets: View<readonly string[]>
  /** Ready pods, by revision. */
  readonly endpoints: View<Readonly<Record<string, number>>>
  /** When it last sent a request to what it sends none to now. */
  readonly left: Map<string, number>
}

/** Marks a revision that a route of the user's own names through a subset of their own. */
const BY_USER = '~'

const reachedIn = (lists: Lists): readonly string[] => reachOf(lists).map((name) => (lists.kind === 'user' ? `${BY_USER}${name}` : name))

/** The revision that a name in a proxy's routes leads to, and whether it goes by a subset of ours. */
export const destinationOf = (name: string) => ({ revision: name.replace(BY_USER, ''), bySubset: !name.startsWith(BY_USER) })

/** Whether a proxy sends, or is about to send, requests to `revision`. */
export const everBy = ({ routes: { now, coming } }: Proxy, revision: string): boolean =>
  [now, ...coming.map(({ value }) => value)].some((names) => names.includes(revision) || names.includes(`${BY_USER}${revision}`))

/** Two proxies in the mesh and one of a gateway: each hears of routes, subsets and endpoints in its own time, in order. */
export class Mesh {
  readonly proxies: readonly Proxy[]
  /** How long one change takes to one proxy, milliseconds: less than P. */
  readonly #delay: () => number

  constructor(objects: Objects, delay: () => number) {
    this.#delay = delay
    const endpoints = readyIn(objects)
    this.proxies = reachedFrom(objects).map((reached) => ({
      routes: { now: reached, coming: [] },
      subsets: { now: [], coming: [] },
      endpoints: { now: endpoints, coming: [] },
      left: new Map(),
    }))
  }

  /** istiod tells every proxy of what changed. */
  push(objects: Objects, now: number): void {
    const reached = reachedFrom(objects)
    const subsets = Object.keys(objects.rule.value?.subsets ?? {})
    const endpoints = readyIn(objects)
    for (const [index, proxy] of this.proxies.entries()) {
      this.#send(proxy.routes, reached[index] ?? [], now)
      this.#send(proxy.subsets, subsets, now)
      this.#send(proxy.endpoints, endpoints, now)
    }
  }

  /** When the next change arrives; Infinity: none is on its way. */
  get nextAt(): number {
    return Math.min(Infinity, ...this.#views().flatMap(({ coming }) => (coming[0] === undefined ? [] : [coming[0].at])))
  }

  deliver(now: number): void {
    for (const proxy of this.proxies) {
      const before = proxy.routes.now
      arrive(proxy.routes, now)
      arrive(proxy.subsets, now)
      arrive(proxy.endpoints, now)
      for (const name of before) if (!proxy.routes.now.includes(name)) proxy.left.set(destinationOf(name).revision, now)
    }
  }

  #views(): readonly View<unknown>[] {
    return this.proxies.flatMap(({ routes, subsets, endpoints }): View<unknown>[] => [routes, subsets, endpoints])
  }

  #send<T>(view: View<T>, value: T, now: number): void {
    const last = view.coming.at(-1)
    if (canonicalJson(last?.value ?? view.now) === canonicalJson(value)) return
    view.coming.push({ at: Math.max(last?.at ?? 0, now + this.#delay()), value })
  }
}

function arrive<T>(view: View<T>, now: number): void {
  for (let next = view.coming[0]; next !== undefined && next.at <= now; next = view.coming[0]) {
    view.now = next.value
    view.coming.shift()
  }
}

function reachedFrom({ user, own, gate }: Objects): readonly (readonly string[])[] {
  const inMesh = user.value ?? own.value
  const mesh = inMesh === undefined ? [EVERY_POD] : reachedIn(inMesh.lists)
  return [mesh, mesh, gate.value === undefined ? [] : reachedIn(gate.value.lists)]
}

const readyIn = ({ deployments }: Objects): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(deployments).flatMap(([revision, { value }]) => (value === undefined || !value.ready || value.started === 0 ? [] : [[revision, value.started]])))
