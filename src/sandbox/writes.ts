import { isDeepStrictEqual as equal } from 'node:util'
import type { Clock } from '../runtime/clock.ts'
import { admitBuiltIn } from './admission.ts'
import { clone, listAt, textAt, type Fields } from './json.ts'
import type { Endpoint, Kind, Kinds } from './kinds.ts'
import type { KubeObject, ObjectMeta, ResourceName } from './objects.ts'
import type { Patch } from './patches.ts'
import { alreadyExists, badRequest, invalid, notFound, Refusal, terminating } from './refusals.ts'
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
  readonly graceSeconds?: number
}

type WriteParts = { readonly store: Store; readonly kinds: Kinds; readonly clock: Clock; readonly random: () => number }

const plainOptions: WriteOptions = { dryRun: false, fieldValidation: 'Ignore', status: false }

/** A wall-clock instant as Kubernetes writes it, to the second. */
export const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

/** Every write to the cluster passes here: names, versions, admission, schemas, generations, finalizers. */
export class Writes {
  readonly #parts: WriteParts
  #services = 0

  /** `random` gives numbers in [0, 1). */
  constructor(parts: WriteParts) {
    this.#parts = parts
  }

  /** Creates an object; refuses with 400, 403, 404, 409 or 422 as the API server does. */
  create(endpoint: Endpoint, namespace: string, input: Fields, options = plainOptions): Written {
    const { kind, version } = endpoint
    const { store } = this.#parts
    const draft = receivedObject(endpoint, namespace, clone(input))
    const { metadata } = draft
    metadata.name ||= `${textAt(metadata, 'generateName')}${this.#letters(5, 'bcdfghjklmnpqrstvwxz2456789')}`
    checkName(kind, metadata.name)
    this.#checkHome(kind, namespace, metadata.name)
    if (metadata.resourceVersion)
      throw new Refusal(500, 'InternalError', 'resourceVersion should not be set on objects to be created')
    if (store.get(kind.resource, namespace, metadata.name) !== undefined) throw alreadyExists(kind, metadata.name)
    for (const field of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'generation', 'managedFields']) delete metadata[field]
    const uid = this.#letters(32, '0123456789abcdef').replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-4$3-8$4-$5')
    Object.assign(metadata, { uid, creationTimestamp: this.now(), ...(kind.generation && { generation: 1 }) })
    if (version.status) delete draft['status']
    const warnings = this.#admit(endpoint, draft, undefined, options)
    return { object: options.dryRun ? draft : store.put(kind.resource, draft), warnings }
  }

  /** For controllers: creates an object, unless its name is taken or its namespace is going away. */
  make(resource: ResourceName, namespace: string, input: Fields): void {
    const { kinds, store } = this.#parts
    const kind = this.#kind(resource)
    const [version = '', group = ''] = kind.stored.split('/').toReversed()
    const endpoint = kinds.endpoint(group, version, kind.plural)
    const home = store.get('namespaces', '', namespace)
    const homeless = kind.namespaced && (home === undefined || home.metadata.deletionTimestamp !== undefined)
    const taken = store.get(resource, namespace, textAt(input, 'metadata', 'name')) !== undefined
    if (endpoint !== undefined && !homeless && !taken) this.create(endpoint, namespace, input)
  }

  /** Changes an object; a change that changes nothing writes nothing. */
  update(endpoint: Endpoint, current: KubeObject, change: Patch, options = plainOptions): Written {
    const { kind, version } = endpoint
    const received = receivedObject(endpoint, current.metadata.namespace ?? '', change(clone(current)))
    checkIdentity(kind, current, received, options.status)
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
    if (!mayVanish(next)) return this.#parts.store.put(resource, next)
    this.#parts.store.remove(resource, next)
    return next
  }

  /** Deletes an object: at once, or marked until its finalizers and its grace are over. */
  remove(resource: ResourceName, current: KubeObject, options: DeleteOptions = { dryRun: false }): KubeObject {
    const kind = this.#kind(resource)
    checkPreconditions(kind, current, options)
    if (options.dryRun) return current
    const draft = clone(current)
    const { metadata } = draft
    if (metadata.deletionTimestamp === undefined) {
      const graceSeconds = resource === 'pods' ? (options.graceSeconds ?? 30) : 0
      metadata.deletionTimestamp = this.now(graceSeconds)
      metadata['deletionGracePeriodSeconds'] = graceSeconds
      if (kind.generation) metadata.generation = (metadata.generation ?? 0) + 1
    }
    if (resource === 'namespaces') draft['status'] = { phase: 'Terminating' }
    return this.commit(resource, current, draft)
  }

  /** The wall clock as Kubernetes writes it, so many seconds from now. */
  now(inSeconds = 0): string {
    return timestamp(this.#parts.clock.now() + inSeconds * 1000)
  }

  #kind(resource: ResourceName): Kind {
    const kind = this.#parts.kinds.of(resource)
    if (kind === undefined) throw new Error(`no kind is kept under ${resource}`)
    return kind
  }

  #checkHome(kind: Kind, namespace: string, name: string): void {
    if (!kind.namespaced) return
    const home = this.#parts.store.get('namespaces', '', namespace)
    if (home === undefined) throw notFound({ group: '', plural: 'namespaces', kind: 'Namespace' }, namespace)
    if (home.metadata.deletionTimestamp !== undefined) throw terminating(kind, name, namespace)
  }

  #admit(endpoint: Endpoint, draft: KubeObject, previous: KubeObject | undefined, options: WriteOptions): readonly string[] {
    const { kind, version } = endpoint
    const { schema, check } = version
    const unknown = (schema === undefined ? [] : pruneAndDefault(schema, draft)).map((path) => `unknown field "${path}"`)
    if (unknown.length > 0 && options.fieldValidation === 'Strict') {
      const said = `${kind.kind} in version "${version.name}" cannot be handled as a ${kind.kind}`
      throw badRequest(`${said}: strict decoding error: ${unknown.join(', ')}`)
    }
    const clusterIp = () => `10.96.${Math.floor(++this.#services / 250)}.${(this.#services % 250) + 1}`
    const causes = check?.(draft) ?? admitBuiltIn(kind.resource, { group: kind.group, draft, previous, now: this.now(), clusterIp })
    if (causes.length > 0) throw invalid(kind, draft.metadata.name, causes)
    draft.apiVersion = kind.stored
    return options.fieldValidation === 'Ignore' ? [] : unknown
  }

  #letters(count: number, alphabet: string): string {
    return Array.from({ length: count }, () => alphabet.charAt(Math.floor(this.#parts.random() * alphabet.length))).join('')
  }
}

/** What a client cannot change: identity, and the marks of the API server. */
const protectedMetadata = (metadata: ObjectMeta): Fields => {
  const { uid, creationTimestamp, generation, deletionTimestamp, deletionGracePeriodSeconds, resourceVersion } = metadata
  const marks = { deletionTimestamp, deletionGracePeriodSeconds, managedFields: undefined }
  return { uid, creationTimestamp, generation, resourceVersion, ...marks }
}

const onlyAllowed = (current: KubeObject, received: KubeObject, status: boolean): KubeObject => {
  const { status: newStatus, ...rest } = received
  if (status) return clone({ ...current, apiVersion: received.apiVersion, status: newStatus })
  return { ...(rest as KubeObject), ...(current['status'] !== undefined && { status: clone(current['status']) }) }
}

const sameSpec = (kind: Kind, current: KubeObject, next: KubeObject): boolean => {
  const uncounted = ['metadata', ...(kind.versions.some((version) => version.status) ? ['status'] : [])]
  const fields = Object.keys({ ...current, ...next })
  const noted = kind.generation === 'spec and annotations' && !equal(current.metadata.annotations ?? {}, next.metadata.annotations ?? {})
  return !noted && fields.every((field) => uncounted.includes(field) || equal(current[field], next[field]))
}

/** Whether an object is on its way out and nothing holds it any longer. */
const mayVanish = ({ kind, metadata, spec }: KubeObject): boolean => {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = metadata
  const held = [...finalizers, ...(kind === 'Namespace' ? listAt(spec, 'finalizers') : [])]
  return deletionTimestamp !== undefined && held.length === 0 && deletionGracePeriodSeconds === 0
}
