import { at, fieldsAt, listAt } from './json.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import { badRequest } from './refusals.ts'

type Requirement = {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values: readonly string[]
}

/** What a list or a watch is narrowed to. */
export type Selection = (object: KubeObject) => boolean

const form = /^(?<absent>!\s*)?(?<key>[^\s!=]+)\s*(?:(?<operator>==?|!=|\b(?:not)?in\b)\s*(?<values>.*))?$/

const parseRequirement = (text: string): Requirement => {
  const { absent, key, operator, values = '' } = form.exec(text)?.groups ?? {}
  if (key === undefined) throw badRequest(`unable to parse requirement: ${text}`)
  if (operator === undefined) return { key, operator: absent === undefined ? 'Exists' : 'DoesNotExist', values: [] }
  const listed = operator.endsWith('in') ? values.replaceAll(/^\(|\)$/g, '').split(',') : [values]
  return { key, operator: ['!=', 'notin'].includes(operator) ? 'NotIn' : 'In', values: listed.map((value) => value.trim()) }
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

const selectableFields: Readonly<Record<ResourceName, RegExp>> = {
  events: /^(involvedObject\.\w+|reason|reportingComponent|source|type)$/,
  pods: /^(status\.phase|spec\.nodeName|spec\.serviceAccountName|status\.podIP)$/,
  namespaces: /^status\.phase$/,
}

const fieldValue = (object: KubeObject, path: string): string => {
  const found = path === 'source' ? at(object, 'source', 'component') : at(object, ...path.split('.'))
  return typeof found === 'string' ? found : ''
}

/** Reads the labelSelector and fieldSelector parameters; refuses what cannot be parsed and fields that cannot be selected. */
export const parseSelection = (resource: ResourceName, query: URLSearchParams): Selection => {
  const labels = parseRequirements(query.get('labelSelector') ?? '')
  const fields = parseRequirements(query.get('fieldSelector') ?? '')
  const isKnown = (key: string): boolean => /^metadata\.name(space)?$/.test(key) || selectableFields[resource]?.test(key) === true
  const unknown = fields.find(({ key }) => !isKnown(key))
  if (unknown !== undefined) throw badRequest(`field label not supported: ${unknown.key}`)
  return (object) =>
    labels.every((requirement) => meets(requirement, object.metadata.labels ?? {})) &&
    fields.every((requirement) => meets(requirement, { [requirement.key]: fieldValue(object, requirement.key) }))
}
