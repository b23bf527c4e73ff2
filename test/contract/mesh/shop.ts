import { inject } from 'vitest'
import { nodeTransport } from '../../../src/kubernetes/transport.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import { pathOf } from '../../harness.ts'
import type { Answer, Caller, Load, Request, Response } from '../ground.ts'
import { openWorld, type World, type WorkloadOptions } from '../world.ts'

type Fields = Readonly<Record<string, unknown>>

/** A Service of its own for each case, so that what one writes is nothing to the next. */
export type Service = { readonly name: string; readonly host: string }

/** A world with versions of one app, a caller in another namespace, and the short words of mesh cases. */
export type Shop = World & {
  /** A new Service in front of all versions; the caller is answered when this resolves. */
  readonly service: (selector?: Fields) => Promise<Service>
  /** All that was written before has reached the caller's proxy. */
  readonly spread: () => Promise<void>
  /** Waits for another creationTimestamp than those given out so far. */
  readonly nextSecond: () => Promise<void>
  readonly ask: (service: Service, request?: Partial<Request>, from?: Caller) => Promise<Response>
  /** 200 a second for a second, unless said. */
  readonly many: (service: Service, load?: Partial<Load>) => Promise<readonly Answer[]>
  readonly remove: (...objects: readonly KubeObject[]) => Promise<void>
  readonly scale: (deployment: string, replicas: number) => Promise<void>
}

export const CALLER: Caller = { deployment: 'caller' }

/** Versions by name, each a Deployment `shop-<version>`. */
export async function openShop(versions: Readonly<Record<string, Partial<WorkloadOptions>>> = { v1: {}, v2: {} }): Promise<Shop> {
  const world = await openWorld()
  await Promise.all([
    world.workload('caller', { app: 'caller', namespace: world.callers }),
    ...Object.entries(versions).map(([version, options]) => world.workload(`shop-${version}`, { app: 'shop', version, ...options })),
  ])
  return shopIn(world)
}

function shopIn(world: World): Shop {
  const hostOf = (name: string): string => `${name}.${world.namespace}.svc.cluster.local`
  let [services, fences] = [0, 0]

  const service: Shop['service'] = async (selector = { app: 'shop' }) => {
    const name = `shop-${++services}`
    await world.apply(serviceObject(name, selector))
    // The lab's pods read names from a file that is written a moment later: who asks too early waits for a resolver that is not there.
    await world.sleep(300)
    await world.until(`an answer of Service ${name}`, async () => ((await world.request(CALLER, { host: hostOf(name), timeoutMs: 500 })).status === 200 ? true : undefined))
    return { name, host: hostOf(name) }
  }
  const nextSecond: Shop['nextSecond'] = () => world.sleep(1050 - (world.now() % 1000))
  const fence: Service = { name: 'fence', host: hostOf('fence') }
  const spread: Shop['spread'] = async () => {
    if (fences === 0) {
      await world.apply(serviceObject(fence.name, { app: fence.name }))
      await world.sleep(300)
    }
    const httpStatus = 520 + (++fences % 70)
    // What comes last is seen last: one push carries all that istiod knew before.
    await world.apply(virtualService(fence, [{ fault: { abort: { httpStatus, percentage: { value: 100 } } }, ...to(fence) }]))
    await world.until('the last write to reach the caller', async () => ((await world.request(CALLER, { host: fence.host, timeoutMs: 500 })).status === httpStatus ? true : undefined))
    await world.sleep(100)
  }
  return {
    ...world, service, spread, nextSecond,
    ask: ({ host }, request = {}, from = CALLER) => world.request(from, { host, ...request }),
    many: ({ host }, load = {}) => world.load(CALLER, { host, rps: 200, ms: 1000, ...load }),
    remove: async (...objects) => {
      for (const object of objects) {
        const answer = await world.call('DELETE', pathOf({ ...object, metadata: { namespace: world.namespace, ...object.metadata } }))
        if (answer.status >= 300) throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(answer.body)}`)
      }
    },
    scale: async (deployment, replicas) => {
      const path = `/apis/apps/v1/namespaces/${world.namespace}/deployments/${deployment}`
      const answer = await world.call('PATCH', path, { spec: { replicas } }, 'application/merge-patch+json')
      if (answer.status >= 300) throw new Error(JSON.stringify(answer.body))
    },
  }
}

const serviceObject = (name: string, selector: Fields): KubeObject => ({
  apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
})

const istio = (kind: string, name: string, spec: Fields, namespace?: string): KubeObject => ({
  apiVersion: 'networking.istio.io/v1', kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, spec,
})

/** A VirtualService for the Service's host, of its name unless said. */
export const virtualService = ({ name, host }: Service, http: readonly Fields[], spec: Fields = {}, metadata: { name?: string; namespace?: string } = {}): KubeObject =>
  istio('VirtualService', metadata.name ?? name, { hosts: [host], http, ...spec }, metadata.namespace)

/** A DestinationRule for the Service's host with a subset for each version named, of its name unless said. */
export const destinationRule = ({ name, host }: Service, versions: readonly string[], spec: Fields = {}, metadata: { name?: string; namespace?: string } = {}): KubeObject =>
  istio('DestinationRule', metadata.name ?? name, { host, subsets: versions.map((version) => subset(version)), ...spec }, metadata.namespace)

export const subset = (name: string, fields: Fields = {}): Fields => ({ name, labels: { version: name }, ...fields })

/** A route's list: all pods of the Service, or a subset each with a weight. */
export const to = ({ host }: Service, weights: Readonly<Record<string, number | undefined>> = {}): { readonly route: readonly Fields[] } => {
  const entries = Object.entries(weights).map(([name, weight]) => ({ destination: { host, subset: name }, ...(weight === undefined ? {} : { weight }) }))
  return { route: entries.length === 0 ? [{ destination: { host } }] : entries }
}

/** What made an answer: the version, or the mesh with a status. */
export const sourceOf = ({ status, ...rest }: Response | Answer): string => {
  const version = 'version' in rest ? rest.version : (rest.headers['x-version'] ?? '')
  return version === '' || status !== 200 ? String(status) : version
}

export const failed = (answers: readonly Answer[]): readonly Answer[] => answers.filter(({ status }) => status !== 200)

/** How many answers each source gave. */
export function counted(answers: readonly Answer[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const source of answers.map(sourceOf)) counts[source] = (counts[source] ?? 0) + 1
  return counts
}

/** The counts within which a share of independent draws lies but for once in a million: five standard deviations. */
export function fiveSigma(share: number, draws: number): { readonly least: number; readonly most: number } {
  const [mean, deviation] = [share * draws, Math.sqrt(draws * share * (1 - share))]
  return { least: mean - 5 * deviation, most: mean + 5 * deviation }
}

/** POST to one of the lab's own switches. */
export async function turn(path: string): Promise<void> {
  const lab = inject('lab')
  if (lab === undefined) throw new Error('only the lab has switches')
  const answer = await nodeTransport({ baseUrl: lab.switches, clock: systemClock })({ method: 'POST', path, timeoutMs: 30_000 })
  if (answer.status !== 200) throw new Error(`${path}: ${await answer.text()}`)
}

/** From here on istiod waits as long after a change as it does by default, unless said; the lab's usual wait is none, and the sandbox knows no other. */
export const debounced = (world: World, ms = 100): Promise<void> => restartIstiod(world, ms)

/** Undoes `debounced`. */
export const undebounced = (world: World): Promise<void> => restartIstiod(world, inject('lab')?.debounceMs ?? 0)

async function restartIstiod({ kind }: World, debounceMs: number): Promise<void> {
  if (kind === 'sandbox') return
  await turn('/istiod/stop')
  await turn(`/istiod/start?debounceMs=${debounceMs}`)
}
