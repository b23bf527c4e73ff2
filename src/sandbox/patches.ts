import { isDeepStrictEqual as equal } from 'node:util'
import jsonpatch, { type Operation } from 'fast-json-patch'
import { isFields, type Fields } from './json.ts'
import type { KubeObject } from './objects.ts'
import { badRequest, Refusal, unsupportedMedia } from './refusals.ts'
import { parseJson } from './requests.ts'

/** Turns the stored object into the wanted one; may change and return its argument. */
export type Patch = (current: KubeObject) => Fields

/** Reads a PATCH body by its content type; refuses other forms, and strategic merge where `strategic` is false. */
export const parsePatch = (contentType: string, body: string, strategic: boolean): Patch => {
  const [type = ''] = contentType.split(';')
  const forms: Record<string, (parsed: unknown) => Patch> = {
    'application/json-patch+json': jsonPatch,
    'application/merge-patch+json': (parsed) => (current) => mergePatch(current, object(parsed)),
  }
  const strategicForm = 'application/strategic-merge-patch+json'
  if (strategic) forms[strategicForm] = (parsed) => (current) => strategicPatch(current, object(parsed))
  const form = forms[type.trim()]
  if (form !== undefined) return form(parseJson(body))
  const isApply = type === 'application/apply-patch+yaml'
  const said = isApply ? 'server-side apply is not part of the sandbox' : 'the body of the request was in an unknown format'
  throw unsupportedMedia(`${said} - accepted media types include: ${Object.keys(forms).join(', ')}`)
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
const mergeKeys: Readonly<Record<string, string>> = {
  conditions: 'type',
  containers: 'name',
  env: 'name',
  finalizers: '',
  hostAliases: 'ip',
  imagePullSecrets: 'name',
  initContainers: 'name',
  ownerReferences: 'uid',
  secrets: 'name',
  topologySpreadConstraints: 'topologyKey',
  volumeMounts: 'mountPath',
  volumes: 'name',
}

/** The key of a list that is merged; undefined for a list that is replaced. `ports` means two lists. */
const mergeKey = (list: string, items: readonly unknown[]): string | undefined =>
  list !== 'ports' ? mergeKeys[list] : items.some((item) => isFields(item) && 'containerPort' in item) ? 'containerPort' : 'port'

const isDirective = (field: string): boolean => /^\$(setElementOrder|deleteFromPrimitiveList|retainKeys|patch)/.test(field)

const strategicPatch = (target: unknown, patch: Fields): Fields => {
  const merged: Fields = isFields(target) && patch['$patch'] !== 'replace' ? target : {}
  for (const [directive, value] of Object.entries(patch)) obey(merged, directive.split('/'), listOf(value), patch)
  for (const [field, value] of Object.entries(patch)) {
    if (!isDirective(field) && patch[`$setElementOrder/${field}`] === undefined) patchField(merged, field, value)
  }
  return merged
}

const obey = (merged: Fields, [directive, field = '']: readonly string[], values: readonly unknown[], patch: Fields): void => {
  if (directive === '$retainKeys') for (const key of Object.keys(merged)) if (!values.includes(key)) delete merged[key]
  if (directive === '$deleteFromPrimitiveList') merged[field] = listOf(merged[field]).filter((item) => !values.includes(item))
  if (directive === '$setElementOrder') patchList(merged, field, listOf(patch[field]), values)
}

const patchField = (merged: Fields, field: string, value: unknown): void => {
  if (value === null || (isFields(value) && value['$patch'] === 'delete')) delete merged[field]
  else if (isFields(value)) merged[field] = strategicPatch(merged[field], value)
  else if (Array.isArray(value)) patchList(merged, field, value, value)
  else merged[field] = value
}

const patchList = (merged: Fields, field: string, patches: readonly unknown[], order: readonly unknown[]): void => {
  const current = listOf(merged[field])
  const key = mergeKey(field, [...patches, ...current])
  const replaced = patches.some((item) => isFields(item) && item['$patch'] === 'replace' && Object.keys(item).length === 1)
  if (key === undefined || replaced) merged[field] = patches.filter((item) => !isFields(item) || item['$patch'] === undefined)
  else if (patches.length > 0 || current.length > 0) {
    const items = key === '' ? [...new Set([...current, ...patches])] : mergeItems(current, patches.filter(isFields), key)
    merged[field] = inOrder(items, current, order, key)
  }
}

const mergeItems = (current: readonly unknown[], patches: readonly Fields[], key: string): unknown[] => {
  const items = [...current]
  for (const patch of patches) {
    const index = items.findIndex((item) => isFields(item) && equal(item[key], patch[key]))
    if (patch['$patch'] === 'delete') items.splice(index, index < 0 ? 0 : 1)
    else if (index >= 0) items[index] = strategicPatch(items[index], patch)
    else items.push(strategicPatch({}, patch))
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

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
