import { at, fieldsAt, listAt } from './json.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import { badRequest } from './refusals.ts'

type Requirement = {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values: readonly string[]
}

/** What a list or a watch is narrowed to. */
export type Selection = {
  readonly matches: (object: KubeObject) => boolean
  /** A label that every match carries, for the store's index. */
  readonly label?: readonly [string, string]
  /** Whether an object can only match or not for its whole life. */
  readonly constant: boolean
}

const forms: readonly (readonly [RegExp, (match: readonly string[]) => Requirement])[] = [
  [
    /^([^\s!=]+)\s+(in|notin)\s+\(([^)]*)\)$/,
    ([, key = '', operator, list = '']) => ({
      key,
      operator: operator === 'in' ? 'In' : 'NotIn',
      values: list.split(',').map((value) => value.trim()),
    }),
  ],
  [/^([^\s!=]+)\s*!=\s*(\S*)$/, ([, key = '', value = '']) => ({ key, operator: 'NotIn', values: [value] })],
  [/^([^\s!=]+)\s*==?\s*(\S*)$/, ([, key = '', value = '']) => ({ key, operator: 'In', values: [value] })],
  [/^!\s*([^\s!=]+)$/, ([, key = '']) => ({ key, operator: 'DoesNotExist', values: [] })],
  [/^([^\s!=]+)$/, ([, key = '']) => ({ key, operator: 'Exists', values: [] })],
]

const parseRequirement = (text: string): Requirement => {
  for (const [form, build] of forms) {
    const match = form.exec(text)
    if (match !== null) return build(match)
  }
  throw badRequest(`unable to parse requirement: ${text}`)
}

const commaOutsideBrackets = /,(?![^(]*\))/

const parseRequirements = (text: string): readonly Requirement[] =>
  text.split(commaOutsideBrackets).flatMap((part) => (part.trim() === '' ? [] : [parseRequirement(part.trim())]))

const meets = ({ key, operator, values }: Requirement, labels: Readonly<Record<string, unknown>>): boolean => {
  const value = labels[key]
  if (operator === 'Exists') return value !== undefined
  if (operator === 'DoesNotExist') return value === undefined
  const listed = typeof value === 'string' && values.includes(value)
  return operator === 'In' ? listed : !listed
}

/** The test that a LabelSelector object (matchLabels, matchExpressions) stands for. */
export const labelSelectorMatches = (selector: unknown, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(fieldsAt(selector, 'matchLabels')).every(([key, value]) => labels[key] === value) &&
  listAt(selector, 'matchExpressions').every((expression) =>
    meets({ ...(expression as Requirement), values: listAt(expression, 'values').map(String) }, labels),
  )

/** A LabelSelector object as the text of a labelSelector parameter; a string or a map is taken as it is. */
export const labelSelectorText = (selector: unknown): string =>
  typeof selector === 'string'
    ? selector
    : Object.entries(fieldsAt(selector, 'matchLabels'))
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(',')

const eventFields = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
  (field) => `involvedObject.${field}`,
)

const selectableFields: Readonly<Record<ResourceName, readonly string[]>> = {
  events: [...eventFields, 'reason', 'reportingComponent', 'source', 'type'],
  pods: ['status.phase', 'spec.nodeName', 'spec.serviceAccountName', 'status.podIP'],
  namespaces: ['status.phase'],
}

const fieldValue = (object: KubeObject, path: string): string => {
  const found = path === 'source' ? at(object, 'source', 'component') : at(object, ...path.split('.'))
  return typeof found === 'string' ? found : ''
}

/** Reads the labelSelector and fieldSelector parameters; refuses what cannot be parsed and fields that cannot be selected. */
export const parseSelection = (resource: ResourceName, query: URLSearchParams): Selection => {
  const labels = parseRequirements(query.get('labelSelector') ?? '')
  const fields = parseRequirements(query.get('fieldSelector') ?? '')
  const known = ['metadata.name', 'metadata.namespace', ...(selectableFields[resource] ?? [])]
  const unknown = fields.find(({ key }) => !known.includes(key))
  if (unknown !== undefined) throw badRequest(`field label not supported: ${unknown.key}`)
  const exact = labels.find(({ operator, values }) => operator === 'In' && values.length === 1)
  return {
    matches: (object) =>
      labels.every((requirement) => meets(requirement, object.metadata.labels ?? {})) &&
      fields.every((requirement) => meets(requirement, { [requirement.key]: fieldValue(object, requirement.key) })),
    constant: labels.length === 0 && fields.every(({ key }) => key.startsWith('metadata.')),
    ...(exact !== undefined && { label: [exact.key, exact.values[0] ?? ''] }),
  }
}
