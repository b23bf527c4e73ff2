import jsonpatch, { type Operation } from 'fast-json-patch'
import { equal, isFields, type Fields } from './json.ts'
import type { KubeObject } from './objects.ts'
import { badRequest, Refusal, unsupportedMedia } from './refusals.ts'

/** Turns the stored object into the wanted one; may change and return its argument. */
export type Patch = (current: KubeObject) => Fields

/** Reads a PATCH body by its content type; refuses forms that are not spoken here, and strategic merge where `strategic` is false. */
export const parsePatch = (contentType: string, body: string, strategic: boolean): Patch => {
  const type = contentType.split(';')[0]?.trim()
  if (type === 'application/json-patch+json') return jsonPatch(parseJson(body))
  if (type === 'application/merge-patch+json') return (current) => mergePatch(current, object(parseJson(body)))
  if (type === 'application/strategic-merge-patch+json' && strategic) {
    return (current) => strategicPatch(current, object(parseJson(body)))
  }
  const accepted = [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(strategic ? ['application/strategic-merge-patch+json'] : []),
  ]
  const said =
    type === 'application/apply-patch+yaml'
      ? 'server-side apply is not part of the sandbox'
      : 'the body of the request was in an unknown format'
  throw unsupportedMedia(`${said} - accepted media types include: ${accepted.join(', ')}`)
}

/** Parses a JSON body; refuses with 400 what is none. */
export const parseJson = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw badRequest(`couldn't decode the body of the request: ${(cause as Error).message}`)
  }
}

const object = (value: unknown): Fields => {
  if (isFields(value)) return value
  throw badRequest('the body of the request is not a JSON object')
}

const jsonPatch = (operations: unknown): Patch => {
  if (!Array.isArray(operations))
    throw badRequest('error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Patch')
  return (current) => {
    try {
      return jsonpatch.applyPatch(current, operations as Operation[], asGoDoes).newDocument
    } catch {
      // The real server says no more than this, whichever operation failed.
      throw new Refusal(422, 'Invalid', 'the server rejected our request due to an error in our request')
    }
  }
}

/** Go's JSON patch library lets `replace` make a field that was not there. */
const asGoDoes: typeof jsonpatch.validator = (operation, index, document, existing) =>
  jsonpatch.validator(operation.op === 'replace' ? { ...operation, op: 'add' } : operation, index, document, existing)

/** RFC 7396. */
const mergePatch = (target: unknown, patch: Fields): Fields => {
  const merged: Fields = isFields(target) ? target : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else merged[name] = isFields(value) ? mergePatch(merged[name], value) : value
  }
  return merged
}

/** The field that names the items of a list, by the list's name; '' for lists of plain values that are merged as sets. */
export const mergeKeys: Readonly<Record<string, string>> = {
  conditions: 'type',
  containers: 'name',
  env: 'name',
  ephemeralContainers: 'name',
  finalizers: '',
  hostAliases: 'ip',
  imagePullSecrets: 'name',
  initContainers: 'name',
  ownerReferences: 'uid',
  podIPs: 'ip',
  secrets: 'name',
  topologySpreadConstraints: 'topologyKey',
  volumeDevices: 'devicePath',
  volumeMounts: 'mountPath',
  volumes: 'name',
}

/** The key of a list that is merged; undefined for a list that is replaced. `ports` means two lists. */
const mergeKey = (list: string, items: readonly unknown[]): string | undefined =>
  list !== 'ports' ? mergeKeys[list] : items.some((item) => isFields(item) && 'containerPort' in item) ? 'containerPort' : 'port'

const directive = /^\$(setElementOrder|deleteFromPrimitiveList|retainKeys|patch)/

const strategicPatch = (target: unknown, patch: Fields): Fields => {
  if (patch['$patch'] === 'replace') return withoutDirectives(patch)
  const merged: Fields = isFields(target) ? target : {}
  const retained = patch['$retainKeys']
  for (const key of Array.isArray(retained) ? Object.keys(merged) : []) if (!listOf(retained).includes(key)) delete merged[key]
  const directives = Object.entries(patch).filter(([field]) => directive.test(field))
  for (const [name, gone] of directivesFor(directives, '$deleteFromPrimitiveList/')) {
    merged[name] = listOf(merged[name]).filter((item) => !listOf(gone).includes(item))
  }
  for (const [name, order] of directivesFor(directives, '$setElementOrder/')) patchList(merged, name, listOf(patch[name]), order)
  for (const [field, value] of Object.entries(patch)) {
    if (!directive.test(field) && patch[`$setElementOrder/${field}`] === undefined) patchField(merged, field, value)
  }
  return merged
}

/** The directives of one sort, by the name of the list they are about. */
const directivesFor = (
  directives: readonly (readonly [string, unknown])[],
  prefix: string,
): readonly (readonly [string, unknown])[] =>
  directives.filter(([field]) => field.startsWith(prefix)).map(([field, value]) => [field.slice(prefix.length), value])

const patchField = (merged: Fields, field: string, value: unknown): void => {
  if (value === null || (isFields(value) && value['$patch'] === 'delete')) delete merged[field]
  else if (isFields(value)) merged[field] = strategicPatch(merged[field], value)
  else if (Array.isArray(value)) patchList(merged, field, value, undefined)
  else merged[field] = value
}

const patchList = (merged: Fields, field: string, patches: readonly unknown[], order: unknown): void => {
  const current = listOf(merged[field])
  const key = mergeKey(field, [...patches, ...current])
  const replaced = patches.some((item) => isFields(item) && item['$patch'] === 'replace' && Object.keys(item).length === 1)
  if (key === undefined || replaced) merged[field] = patches.filter((item) => !isFields(item) || item['$patch'] === undefined)
  else if (patches.length > 0 || current.length > 0) {
    const items = key === '' ? union(current, patches) : mergeItems(current, patches, key)
    merged[field] = inOrder(items, current, Array.isArray(order) ? order : patches, key)
  }
}

const union = (current: readonly unknown[], added: readonly unknown[]): unknown[] => [
  ...current,
  ...added.filter((item) => !current.includes(item)),
]

const mergeItems = (current: readonly unknown[], patches: readonly unknown[], key: string): unknown[] => {
  const items = [...current]
  for (const patch of patches) {
    if (!isFields(patch)) continue
    const index = items.findIndex((item) => isFields(item) && equal(item[key], patch[key]))
    if (patch['$patch'] === 'delete') items.splice(index, index < 0 ? 0 : 1)
    else if (index >= 0) items[index] = strategicPatch(items[index], patch)
    else items.push(withoutDirectives(patch))
  }
  return items
}

/** Items that the patch names come in its order, new ones first; the others stay before those they stood before. */
const inOrder = (items: readonly unknown[], before: readonly unknown[], order: readonly unknown[], key: string): unknown[] => {
  const rank = (list: readonly unknown[], item: unknown): number =>
    list.findIndex((other) => (isFields(other) && isFields(item) ? equal(other[key], item[key]) : equal(other, item)))
  const named = items.filter((item) => rank(order, item) >= 0).toSorted((a, b) => rank(order, a) - rank(order, b))
  const others = items.filter((item) => rank(order, item) < 0)
  const sorted: unknown[] = []
  for (const item of named) {
    const place = rank(before, item)
    while (others.length > 0 && place > rank(before, others[0])) sorted.push(others.shift())
    sorted.push(item)
  }
  return [...sorted, ...others]
}

const withoutDirectives = (value: Fields): Fields =>
  Object.fromEntries(Object.entries(value).filter(([field]) => !directive.test(field)))

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
