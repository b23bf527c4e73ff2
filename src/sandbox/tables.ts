import { at, listAt, numberAt, textAt, type Fields } from './json.ts'
import type { Column, Endpoint } from './kinds.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import type { ApiRequest } from './requests.ts'

/** How a table is wanted. */
export type TableOptions = {
  /** Wall clock, milliseconds. */
  readonly now: number
  readonly version: number
  /** Whether the column definitions are to be in it; later rows of a watch come without. */
  readonly header: boolean
  /** Metadata, Object or None. */
  readonly includeObject: string
  /** The object in the version that was asked for. */
  readonly present: (object: KubeObject) => KubeObject
}

type Cell = (object: KubeObject, now: number) => unknown
type TableColumn = { readonly name: string; readonly type: string; readonly priority?: number; readonly cell: Cell }

/** Whether the Accept header prefers a Table to the objects themselves. */
export const asksForTable = ({ headers }: ApiRequest): boolean => {
  const [first = ''] = (headers['accept'] ?? '').split(',')
  return first.includes('as=Table') && first.includes('v=v1') && !first.includes('v1beta1')
}

/** Whether the Accept header prefers the objects' metadata alone. */
export const asksForMetadata = ({ headers }: ApiRequest): boolean => {
  const [first = ''] = (headers['accept'] ?? '').split(',')
  return first.includes('as=PartialObjectMetadata') && first.includes('v=v1')
}

/** The type of an object of which nothing but the metadata is shown. */
export const METADATA = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' } as const

/** Objects as rows of a meta.k8s.io/v1 Table. */
export const tableOf = (endpoint: Endpoint, objects: readonly KubeObject[], options: TableOptions): Fields => {
  const { now, version, header, includeObject, present } = options
  const columns = columnsOf(endpoint)
  const definitions = columns.map(({ name, type, priority = 0 }) => {
    return { name, type, priority, format: name === 'Name' ? 'name' : '', description: '' }
  })
  const objectOf = (object: KubeObject): Fields =>
    includeObject === 'Object'
      ? present(object)
      : { ...METADATA, metadata: object.metadata }
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion: String(version) },
    columnDefinitions: header ? definitions : [],
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object, now) ?? null),
      ...(includeObject !== 'None' && { object: objectOf(object) }),
    })),
  }
}

const column = (name: string, cell: Cell): TableColumn => ({ name, type: 'string', cell })

const nameColumn = column('Name', ({ metadata }) => metadata.name)
const ageColumn = column('Age', ({ metadata }, now) => ageOf(metadata.creationTimestamp ?? '', now))

const columnsOf = ({ kind, version }: Endpoint): readonly TableColumn[] => {
  if (kind.resource === 'events') return eventColumns
  const special = Object.entries(cells[kind.resource] ?? {}).map(([name, cell]) => column(name, cell))
  return [nameColumn, ...(version.columns?.map(customColumn) ?? [...special, ageColumn])]
}

const customColumn = ({ name, type, jsonPath, priority = 0 }: Column): TableColumn => {
  const cell: Cell = (object, now) => {
    const [value] = valuesAt(object, jsonPath)
    if (type === 'date') return typeof value === 'string' ? ageOf(value, now) : undefined
    return type !== 'string' || value === undefined || typeof value === 'string' ? value : JSON.stringify(value)
  }
  return { name, type, priority, cell }
}

const pathStep = /\.([\w$-]+)|\['([^']+)'\]|\[(\d+|\*)\]|\[\?\(@\.([\w.]+)\s*==\s*["']([^"']*)["']\)\]/gy

/** The values at a JSONPath of the kind that printer columns use: fields, indexes, [*] and ?(@.field=="value") filters. */
const valuesAt = (root: unknown, path: string): readonly unknown[] => {
  let found: readonly unknown[] = [root]
  for (const [, dotted, quoted, index, filter, wanted] of path.replaceAll('\\.', '.').matchAll(pathStep)) {
    const name = dotted ?? quoted
    const fits = (item: unknown, place: number): boolean =>
      filter === undefined ? index === '*' || Number(index) === place : at(item, ...filter.split('.')) === wanted
    found = found.flatMap((value) => (name === undefined ? listAt(value).filter(fits) : [at(value, name)]))
  }
  return found.filter((value) => value !== null && value !== undefined)
}

/** How long ago an RFC 3339 instant was, as kubectl writes it: 5s, 3m20s, 47m, 5h3m, 2d4h, 40d. */
const ageOf = (instant: string, now: number): string => {
  const seconds = Math.max(0, Math.floor((now - Date.parse(instant)) / 1000))
  const [minutes = 0, hours = 0, days = 0] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit))
  const both = (whole: string, part: number, unit: string): string => (part > 0 ? `${whole}${part}${unit}` : whole)
  if (Number.isNaN(seconds)) return '<unknown>'
  if (minutes < 2) return `${seconds}s`
  if (minutes < 10) return both(`${minutes}m`, seconds % 60, 's')
  if (hours < 3) return `${minutes}m`
  if (hours < 8) return both(`${hours}h`, minutes % 60, 'm')
  return days < 2 ? `${hours}h` : days < 8 ? both(`${days}d`, hours % 24, 'h') : `${days}d`
}

const count =
  (...path: readonly string[]): Cell =>
  (object) =>
    numberAt(object, ...path)

const readyContainers: Cell = (object) => {
  const statuses = listAt(object, 'status', 'containerStatuses')
  return `${statuses.filter((status) => at(status, 'ready') === true).length}/${listAt(object, 'spec', 'containers').length}`
}

const servicePorts: Cell = (object) => {
  const ports = listAt(object, 'spec', 'ports').map((port) => `${numberAt(port, 'port')}/${textAt(port, 'protocol')}`)
  return ports.join(',') || '<none>'
}

const cells: Readonly<Record<ResourceName, Readonly<Record<string, Cell>>>> = {
  namespaces: { Status: ({ status }) => at(status, 'phase') },
  pods: {
    Ready: readyContainers,
    Status: ({ metadata, status }) => (metadata.deletionTimestamp === undefined ? at(status, 'phase') : 'Terminating'),
    Restarts: () => 0,
  },
  services: {
    Type: ({ spec }) => at(spec, 'type'),
    'Cluster-IP': ({ spec }) => at(spec, 'clusterIP') ?? '<none>',
    'External-IP': () => '<none>',
    'Port(s)': servicePorts,
  },
  'deployments.apps': {
    Ready: (object) => `${numberAt(object, 'status', 'readyReplicas')}/${numberAt(object, 'spec', 'replicas')}`,
    'Up-to-date': count('status', 'updatedReplicas'),
    Available: count('status', 'availableReplicas'),
  },
  'replicasets.apps': {
    Desired: count('spec', 'replicas'),
    Current: count('status', 'replicas'),
    Ready: count('status', 'readyReplicas'),
  },
}

const lastSeen: Cell = (object, now) => {
  const named = ['lastTimestamp', 'eventTime', 'firstTimestamp'].map((name) => textAt(object, name))
  const seen = [textAt(object, 'series', 'lastObservedTime'), ...named].find((text) => text !== '')
  return ageOf(seen ?? object.metadata.creationTimestamp ?? '', now)
}

const involved: Cell = ({ involvedObject }) => `${textAt(involvedObject, 'kind').toLowerCase()}/${textAt(involvedObject, 'name')}`

const eventColumns: readonly TableColumn[] = [
  column('Last Seen', lastSeen),
  ...['type', 'reason'].map((name) => column(name === 'type' ? 'Type' : 'Reason', (object) => object[name])),
  column('Object', involved),
  column('Message', ({ message }) => message),
  { ...nameColumn, priority: 1 },
]
