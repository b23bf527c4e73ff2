import type { Endpoint, KindVersion } from './kinds.ts'
import { at, fieldsAt, listAt, numberAt, textAt, type Fields } from './json.ts'
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
type TableColumn = {
  readonly name: string
  readonly type: string
  readonly priority: number
  readonly format?: string
  readonly cell: Cell
}

/** Whether the Accept header prefers a Table to the objects themselves. */
export const asksForTable = ({ headers }: ApiRequest): boolean => {
  const [first = ''] = (headers['accept'] ?? '').split(',')
  return first.includes('as=Table') && first.includes('v=v1') && !first.includes('v1beta1')
}

/** Objects as rows of a meta.k8s.io/v1 Table. */
export const tableOf = (endpoint: Endpoint, objects: readonly KubeObject[], options: TableOptions): Fields => {
  const columns = columnsOf(endpoint)
  const definitions = columns.map(({ name, type, priority, format = '' }) => ({ name, type, priority, format, description: '' }))
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion: String(options.version) },
    columnDefinitions: options.header ? definitions : [],
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object, options.now) ?? null),
      ...rowObject(object, options),
    })),
  }
}

const rowObject = (object: KubeObject, { includeObject, present }: TableOptions): Fields => {
  if (includeObject === 'None') return {}
  if (includeObject === 'Object') return { object: present(object) }
  return { object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata } }
}

const column = (name: string, cell: Cell, priority = 0): TableColumn => ({ name, type: 'string', priority, cell })
const field =
  (...path: readonly string[]): Cell =>
  (object) =>
    at(object, ...path)
const count =
  (...path: readonly string[]): Cell =>
  (object) =>
    numberAt(object, path)
const since =
  (...path: readonly string[]): Cell =>
  (object, now) =>
    ageOf(textAt(object, ...path), now)

const nameColumn: TableColumn = { ...column('Name', field('metadata', 'name')), format: 'name' }
const ageColumn = column('Age', since('metadata', 'creationTimestamp'))

const columnsOf = ({ kind, version }: Endpoint): readonly TableColumn[] => {
  const special = builtInColumns[kind.resource]
  if (special?.some(({ format }) => format === 'name') === true) return special
  if (special !== undefined) return [nameColumn, ...special, ageColumn]
  return [nameColumn, ...(version.columns?.map(customColumn) ?? [ageColumn])]
}

const customColumn = ({ name, type, jsonPath, priority = 0 }: NonNullable<KindVersion['columns']>[number]): TableColumn => ({
  name,
  type,
  priority,
  cell: (object, now) => {
    const [value] = valuesAt(object, jsonPath)
    if (type === 'date') return typeof value === 'string' ? ageOf(value, now) : undefined
    return type !== 'string' || value === undefined || typeof value === 'string' ? value : JSON.stringify(value)
  },
})

const pathStep = /\.([A-Za-z0-9_$-]+)|\['([^']+)'\]|\[(\d+|\*)\]|\[\?\(@\.([\w.]+)\s*==\s*["']([^"']*)["']\)\]/gy

/** The values at a JSONPath of the kind that printer columns use: fields, indexes, [*] and ?(@.field=="value") filters. */
export const valuesAt = (root: unknown, path: string): readonly unknown[] => {
  let found: readonly unknown[] = [root]
  for (const [, dotted, quoted, index, filterField, wanted] of path.replaceAll('\\.', '.').matchAll(pathStep)) {
    const name = dotted ?? quoted
    found = found.flatMap((value) => {
      if (name !== undefined) {
        const child = at(value, name)
        return child === undefined ? [] : [child]
      }
      const items = Array.isArray(value) ? (value as readonly unknown[]) : []
      if (filterField !== undefined) return items.filter((item) => at(item, ...filterField.split('.')) === wanted)
      return index === '*' ? items : items.slice(Number(index), Number(index) + 1)
    })
  }
  return found.filter((value) => value !== null)
}

const units = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/** How long ago an RFC 3339 instant was, as kubectl writes it: 5s, 3m20s, 47m, 5h3m, 2d4h, 40d. */
export const ageOf = (instant: string, now: number): string => {
  const ms = Math.max(0, now - Date.parse(instant))
  if (Number.isNaN(ms)) return '<unknown>'
  const whole = (unit: number) => Math.floor(ms / unit)
  const both = (unit: number, letter: string, part: number, partLetter: string) => {
    const rest = Math.floor((ms % unit) / part)
    return `${whole(unit)}${letter}${rest > 0 ? `${rest}${partLetter}` : ''}`
  }
  if (ms < 2 * units.minute) return `${whole(units.second)}s`
  if (ms < 10 * units.minute) return both(units.minute, 'm', units.second, 's')
  if (ms < 3 * units.hour) return `${whole(units.minute)}m`
  if (ms < 8 * units.hour) return both(units.hour, 'h', units.minute, 'm')
  if (ms < 2 * units.day) return `${whole(units.hour)}h`
  return ms < 8 * units.day ? both(units.day, 'd', units.hour, 'h') : `${whole(units.day)}d`
}

const readyContainers: Cell = (object) => {
  const statuses = listAt(object, 'status', 'containerStatuses')
  return `${statuses.filter((status) => at(status, 'ready') === true).length}/${listAt(object, 'spec', 'containers').length}`
}

const podPhase: Cell = (object) =>
  object.metadata.deletionTimestamp === undefined ? at(object, 'status', 'phase') : 'Terminating'

const servicePorts: Cell = (object) =>
  listAt(object, 'spec', 'ports')
    .map((port) => `${String(at(port, 'port'))}/${textAt(port, 'protocol')}`)
    .join(',') || '<none>'

const containers =
  (name: 'name' | 'image'): Cell =>
  (object) =>
    listAt(object, 'spec', 'template', 'spec', 'containers')
      .map((container) => textAt(container, name))
      .join(',')

const selector: Cell = (object) =>
  Object.entries(fieldsAt(object, 'spec', 'selector', 'matchLabels'))
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(',')

const workloadColumns = [
  column('Containers', containers('name'), 1),
  column('Images', containers('image'), 1),
  column('Selector', selector, 1),
]

const endpointAddresses: Cell = (object) =>
  listAt(object, 'endpoints')
    .flatMap((endpoint) => listAt(endpoint, 'addresses'))
    .join(',') || '<unset>'

const involved: Cell = (object) =>
  `${textAt(object, 'involvedObject', 'kind').toLowerCase()}/${textAt(object, 'involvedObject', 'name')}`

const lastSeen: Cell = (object, now) => {
  const seen = ['lastTimestamp', 'eventTime', 'firstTimestamp'].map((name) => textAt(object, name)).find((text) => text !== '')
  return ageOf(textAt(object, 'series', 'lastObservedTime') || (seen ?? object.metadata.creationTimestamp ?? ''), now)
}

const builtInColumns: Readonly<Record<ResourceName, readonly TableColumn[]>> = {
  namespaces: [column('Status', field('status', 'phase'))],
  pods: [
    column('Ready', readyContainers),
    column('Status', podPhase),
    column('Restarts', () => 0),
    column('IP', field('status', 'podIP'), 1),
  ],
  services: [
    column('Type', field('spec', 'type')),
    column('Cluster-IP', (object) => at(object, 'spec', 'clusterIP') ?? '<none>'),
    column('External-IP', () => '<none>'),
    column('Port(s)', servicePorts),
  ],
  configmaps: [column('Data', (object) => Object.keys(fieldsAt(object, 'data')).length)],
  secrets: [column('Type', field('type')), column('Data', (object) => Object.keys(fieldsAt(object, 'data')).length)],
  serviceaccounts: [column('Secrets', () => 0)],
  'deployments.apps': [
    column('Ready', (object) => `${numberAt(object, ['status', 'readyReplicas'])}/${numberAt(object, ['spec', 'replicas'])}`),
    column('Up-to-date', count('status', 'updatedReplicas')),
    column('Available', count('status', 'availableReplicas')),
    ...workloadColumns,
  ],
  'replicasets.apps': [
    column('Desired', count('spec', 'replicas')),
    column('Current', count('status', 'replicas')),
    column('Ready', count('status', 'readyReplicas')),
    ...workloadColumns,
  ],
  'endpointslices.discovery.k8s.io': [
    column('AddressType', field('addressType')),
    column(
      'Ports',
      (object) =>
        listAt(object, 'ports')
          .map((port) => numberAt(port, ['port']))
          .join(',') || '<unset>',
    ),
    column('Endpoints', endpointAddresses),
  ],
  'leases.coordination.k8s.io': [column('Holder', field('spec', 'holderIdentity'))],
  'customresourcedefinitions.apiextensions.k8s.io': [nameColumn, column('Created At', field('metadata', 'creationTimestamp'))],
  events: [
    column('Last Seen', lastSeen),
    column('Type', field('type')),
    column('Reason', field('reason')),
    column('Object', involved),
    column('Message', field('message')),
    { ...nameColumn, priority: 1 },
  ],
}
