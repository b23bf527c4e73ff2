import type { Clock } from '../runtime/clock.ts'
import { admitBuiltIn } from './admission.ts'
import { clone, equal, textAt, type Fields } from './json.ts'
import { mayVanish, storedApiVersion, type Endpoint, type Kind, type Kinds } from './kinds.ts'
import type { KubeObject, ObjectMeta, ResourceName } from './objects.ts'
import { alreadyExists, badRequest, invalid, notFound, Refusal, terminating, type Cause } from './refusals.ts'
import type { Patch } from './patches.ts'
import { pruneAndDefault } from './schema.ts'
import type { Store } from './store.ts'
import { checkIdentity, checkName, checkPreconditions, receivedObject } from './write-checks.ts'

/** How a write is to be made. */
export type WriteOptions = {
  readonly dryRun: boolean
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore'
  /** Whether only the status may change; otherwise all but the status may. */
  readonly status: boolean
}

/** A written object in its storage version, with the warnings that go into the response's headers. */
export type Written = { readonly object: KubeObject; readonly warnings: readonly string[] }

/** What a delete asks for. */
export type DeleteOptions = {
  readonly dryRun: boolean
  readonly uid?: string
  readonly resourceVersion?: string
  readonly propagation: string
  readonly graceSeconds?: number
}

/** What the writes need; `random` gives numbers in [0, 1). */
export type WriteParts = { readonly store: Store; readonly kinds: Kinds; readonly clock: Clock; readonly random: () => number }

const plainDelete: DeleteOptions = { dryRun: false, propagation: 'Background' }
const plainOptions: WriteOptions = { dryRun: false, fieldValidation: 'Ignore', status: false }

/** A wall-clock instant as Kubernetes writes it, to the second. */
export const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

/** Every write to the cluster passes here: names, versions, admission, schemas, generations, finalizers. */
export class Writes {
  readonly #store: Store
  readonly #kinds: Kinds
  readonly #clock: Clock
  readonly #random: () => number
  #services = 0

  constructor({ store, kinds, clock, random }: WriteParts) {
    this.#store = store
    this.#kinds = kinds
    this.#clock = clock
    this.#random = random
  }

  /** Creates an object; refuses with 400, 403, 404, 409 or 422 as the API server does. */
  create(endpoint: Endpoint, namespace: string, input: Fields, options: WriteOptions = plainOptions): Written {
    const { kind, version } = endpoint
    const draft = receivedObject(endpoint, namespace, clone(input))
    const { metadata } = draft
    metadata.name ||= `${textAt(metadata, 'generateName')}${this.#suffix()}`
    checkName(kind, metadata.name)
    this.#checkHome(kind, namespace, metadata.name)
    if (metadata.resourceVersion)
      throw new Refusal(500, 'InternalError', 'resourceVersion should not be set on objects to be created')
    if (this.#store.get(kind.resource, namespace, metadata.name) !== undefined) throw alreadyExists(kind, metadata.name)
    for (const field of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'generation', 'managedFields']) delete metadata[field]
    Object.assign(metadata, {
      uid: this.#uid(),
      creationTimestamp: timestamp(this.#clock.now()),
      ...(kind.generation && { generation: 1 }),
    })
    if (version.status) delete draft['status']
    const warnings = this.#admit(endpoint, draft, undefined, options)
    return { object: options.dryRun ? draft : this.#store.put(kind.resource, draft), warnings }
  }

  /** For controllers: creates an object, unless its name is taken or its namespace is going away. */
  make(resource: ResourceName, namespace: string, input: Fields): void {
    const kind = this.#kind(resource)
    const home = this.#store.get('namespaces', '', namespace)
    const homeless = kind.namespaced && (home === undefined || home.metadata.deletionTimestamp !== undefined)
    const endpoint = this.#kinds.endpoint(kind.group, kind.storageVersion, kind.plural)
    const taken = this.#store.get(resource, namespace, textAt(input, 'metadata', 'name')) !== undefined
    if (endpoint !== undefined && !homeless && !taken) this.create(endpoint, namespace, input)
  }

  /** Changes an object; a change that changes nothing writes nothing. */
  update(endpoint: Endpoint, current: KubeObject, change: Patch, options: WriteOptions = plainOptions): Written {
    const { kind, version } = endpoint
    const namespace = current.metadata.namespace ?? ''
    const received = receivedObject(endpoint, namespace, change(clone(current)))
    checkIdentity(kind, current, received)
    const draft = version.status || options.status ? onlyAllowed(current, received, options.status) : received
    Object.assign(draft.metadata, protectedMetadata(current.metadata))
    const warnings = this.#admit(endpoint, draft, current, options)
    return { object: options.dryRun ? draft : this.commit(kind.resource, current, draft), warnings }
  }

  /** Puts a draft in the place of what is stored: counts the generation, skips a no-op, removes what nothing holds any longer. */
  commit(resource: ResourceName, current: KubeObject, draft: KubeObject): KubeObject {
    const kind = this.#kind(resource)
    const next = clone(draft)
    Object.assign(next.metadata, { resourceVersion: current.metadata.resourceVersion })
    if (equal(current, next)) return current
    if (kind.generation && !sameSpec(kind, current, next)) next.metadata.generation = (current.metadata.generation ?? 0) + 1
    if (mayVanish(next)) {
      this.#store.remove(resource, next)
      return next
    }
    return this.#store.put(resource, next)
  }

  /** Deletes an object: at once, or marked until its finalizers and its grace are over. */
  remove(resource: ResourceName, current: KubeObject, options = plainDelete): KubeObject {
    const kind = this.#kind(resource)
    checkPreconditions(kind, current, options)
    if (options.dryRun) return current
    const draft = clone(current)
    const metadata: ObjectMeta = draft.metadata
    const held = { Foreground: 'foregroundDeletion', Orphan: 'orphan' }[options.propagation]
    if (held !== undefined) metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), held])]
    if (metadata.deletionTimestamp === undefined) {
      const graceSeconds = kind.resource === 'pods' ? (options.graceSeconds ?? 30) : 0
      metadata.deletionTimestamp = timestamp(this.#clock.now() + graceSeconds * 1000)
      metadata['deletionGracePeriodSeconds'] = graceSeconds
      if (kind.generation) metadata.generation = (metadata.generation ?? 0) + 1
    }
    if (kind.resource === 'namespaces') draft['status'] = { phase: 'Terminating' }
    return this.commit(resource, current, draft)
  }

  #kind(resource: ResourceName): Kind {
    const kind = this.#kinds.of(resource)
    if (kind === undefined) throw new Error(`no kind is kept under ${resource}`)
    return kind
  }

  #checkHome(kind: Kind, namespace: string, name: string): void {
    if (!kind.namespaced) return
    const home = this.#store.get('namespaces', '', namespace)
    if (home === undefined) throw notFound({ group: '', plural: 'namespaces', kind: 'Namespace' }, namespace)
    if (home.metadata.deletionTimestamp !== undefined) throw terminating(kind, name, namespace)
  }

  #admit(
    { kind, version }: Endpoint,
    draft: KubeObject,
    previous: KubeObject | undefined,
    options: WriteOptions,
  ): readonly string[] {
    const now = timestamp(this.#clock.now())
    const { schema, check } = version
    const unknown = (schema === undefined ? [] : pruneAndDefault(schema, draft)).map((path) => `unknown field "${path}"`)
    if (unknown.length > 0 && options.fieldValidation === 'Strict') {
      throw badRequest(
        `${kind.kind} in version "${version.name}" cannot be handled as a ${kind.kind}: strict decoding error: ${unknown.join(', ')}`,
      )
    }
    const clusterIp = () => `10.96.${Math.floor(++this.#services / 250)}.${(this.#services % 250) + 1}`
    const causes: readonly Cause[] = check?.(draft) ?? admitBuiltIn(kind.resource, { draft, previous, now, clusterIp })
    if (causes.length > 0) throw invalid(kind, draft.metadata.name, causes)
    draft.apiVersion = storedApiVersion(kind)
    return options.fieldValidation === 'Ignore' ? [] : unknown
  }

  #suffix(): string {
    return Array.from({ length: 5 }, () => suffixLetters[Math.floor(this.#random() * suffixLetters.length)]).join('')
  }

  #uid(): string {
    const digits = Array.from({ length: 32 }, () => Math.floor(this.#random() * 16).toString(16)).join('')
    return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-4$3-8$4-$5')
  }
}

const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789'

/** What a client cannot change: identity, and the marks of the API server. */
const protectedMetadata = (metadata: ObjectMeta): Fields => {
  const { uid, creationTimestamp, generation, deletionTimestamp, deletionGracePeriodSeconds, resourceVersion } = metadata
  return {
    uid,
    creationTimestamp,
    generation,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    resourceVersion,
    managedFields: undefined,
  }
}

const onlyAllowed = (current: KubeObject, received: KubeObject, status: boolean): KubeObject => {
  const { status: newStatus, ...rest } = received
  if (status) return clone({ ...current, apiVersion: received.apiVersion, status: newStatus })
  return { ...(rest as KubeObject), ...(current['status'] !== undefined && { status: clone(current['status']) }) }
}

const sameSpec = (kind: Kind, current: KubeObject, next: KubeObject): boolean => {
  const status = kind.versions.some((version) => version.status)
  const fields = new Set([...Object.keys(current), ...Object.keys(next)])
  return [...fields].every(
    (field) => field === 'metadata' || (status && field === 'status') || equal(current[field], next[field]),
  )
}
