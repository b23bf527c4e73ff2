import { coreEvent } from './event-forms.ts'
import { at, fieldsAt, textAt, withoutNulls, type Fields } from './json.ts'
import { groupVersion, type Endpoint, type Kind } from './kinds.ts'
import type { KubeObject, ObjectMeta } from './objects.ts'
import { badRequest, conflict, invalid, invalidValue } from './refusals.ts'

/** A request's body as an object of the kind that its path names; refuses with 400 one of another kind, version or namespace. */
export const receivedObject = ({ kind, version }: Endpoint, namespace: string, input: Fields): KubeObject => {
  const served = groupVersion(kind.group, version.name)
  const { apiVersion = served, kind: named = kind.kind, metadata: _, ...fields } = input
  if (named !== kind.kind) throw badRequest(`${String(named)} in version "${version.name}" cannot be handled as a ${kind.kind}`)
  if (apiVersion !== served && apiVersion !== kind.stored)
    throw badRequest(`the API version in the data (${String(apiVersion)}) does not match the expected API version (${served})`)
  const draft = { apiVersion: served, kind: kind.kind, metadata: receivedMetadata(namespace, input), ...fields }
  if (kind.custom) return draft
  checkMicroTimes(kind, draft)
  return withoutNulls(kind.resource === 'events' ? coreEvent(draft) : draft)
}

const microTimes: Readonly<Record<string, readonly (readonly string[])[]>> = {
  events: [['eventTime'], ['series', 'lastObservedTime']],
  'leases.coordination.k8s.io': [['spec', 'acquireTime'], ['spec', 'renewTime']],
}

const microTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/

/** Refuses with 400 a time without its six digits of microseconds, where they are part of the type. */
const checkMicroTimes = (kind: Kind, draft: KubeObject): void => {
  const times = (microTimes[kind.resource] ?? []).map((path) => at(draft, ...path) ?? undefined)
  const wrong = times.find((time) => time !== undefined && !(typeof time === 'string' && microTime.test(time)))
  if (wrong === undefined) return
  const said = `parsing time ${JSON.stringify(wrong)} as "2006-01-02T15:04:05.000000Z07:00"`
  throw badRequest(`${kind.kind} in version "${draft.apiVersion}" cannot be handled as a ${kind.kind}: ${said}`)
}

const receivedMetadata = (namespace: string, input: Fields): ObjectMeta => {
  const metadata = { ...(fieldsAt(input, 'metadata') as Partial<ObjectMeta>), name: textAt(input, 'metadata', 'name') }
  for (const map of ['labels', 'annotations']) {
    const wrong = Object.values(fieldsAt(metadata, map)).find((value) => typeof value !== 'string')
    if (wrong !== undefined)
      throw badRequest(`json: cannot unmarshal ${typeof wrong} into Go struct field ObjectMeta.metadata.${map} of type string`)
  }
  if ((metadata.namespace ?? namespace) !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  return namespace === '' ? metadata : { ...metadata, namespace }
}

const nameRule = 'a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "-" or "."'

/** Refuses with 422 a name that is none. */
export const checkName = (kind: Kind, name: string): void => {
  if (/^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$/.test(name) && name.length <= 253) return
  throw invalid(kind, name, [invalidValue('metadata.name', name, nameRule)])
}

/**
 * Refuses a change that was computed from another version (409), or that changes name, uid or the finalizers of an object
 * on its way out. Of the metadata that come with a custom resource's status, only name and version are looked at.
 */
export const checkIdentity = (kind: Kind, current: KubeObject, { metadata }: KubeObject, status: boolean): void => {
  const { name, uid, resourceVersion, deletionTimestamp, finalizers = [] } = current.metadata
  if (metadata.name !== name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`)
  if ((metadata.resourceVersion || resourceVersion) !== resourceVersion)
    throw conflict(kind, name, 'the object has been modified; please apply your changes to the latest version and try again')
  if (status && kind.custom) return
  if ((metadata.uid || uid) !== uid) throw invalid(kind, name, [invalidValue('metadata.uid', metadata.uid, 'field is immutable')])
  const added = (metadata.finalizers ?? []).filter((finalizer) => !finalizers.includes(finalizer))
  if (deletionTimestamp === undefined || added.length === 0) return
  const why = 'no new finalizers can be added if the object is being deleted, found new finalizers'
  const message = `Forbidden: ${why} ${JSON.stringify(added)}`
  throw invalid(kind, name, [{ field: 'metadata.finalizers', message, reason: 'FieldValueForbidden' }])
}

/** Refuses with 409 a delete or a replacement that is meant for another uid or version; empty texts mean any. */
export const checkPreconditions = (
  kind: Kind,
  { metadata }: KubeObject,
  { uid = '', resourceVersion = '' }: { readonly uid?: string; readonly resourceVersion?: string },
): void => {
  const check = (what: string, asked: string, stored = ''): void => {
    if (asked === '' || asked === stored) return
    const why = `Precondition failed: ${what} in precondition: ${asked}, ${what} in object meta: ${stored}`
    throw conflict(kind, metadata.name, why)
  }
  check('UID', uid, metadata.uid)
  check('ResourceVersion', resourceVersion, metadata.resourceVersion)
}
