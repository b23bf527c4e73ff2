/** An object whose content pods get, and how. */
export type ConfigReference = {
  readonly kind: 'ConfigMap' | 'Secret'
  readonly name: string
  /** A running pod does not see it change: a variable, or a file that no kubelet refreshes. */
  readonly unseen: boolean
  /** Pods start without it. */
  readonly optional: boolean
}

/** Every ConfigMap and Secret that the pods of a pod spec take content from, once each, by kind and name. */
export function configReferences(podSpec: unknown): readonly ConfigReference[] {
  const found = new Map<string, ConfigReference>()
  withReferences(podSpec, (reference) => {
    const id = `${reference.kind} ${reference.name}`
    const { unseen = false, optional = true } = found.get(id) ?? {}
    found.set(id, { ...reference, unseen: unseen || reference.unseen, optional: optional && reference.optional })
    return reference.name
  })
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, reference]) => reference)
}

type Json = Readonly<Record<string, unknown>>
type Rename = (reference: ConfigReference) => string
type Source = { readonly kind: ConfigReference['kind']; readonly field: string; readonly name: string }

const FROM_KEY: readonly Source[] = [{ kind: 'ConfigMap', field: 'configMapKeyRef', name: 'name' }, { kind: 'Secret', field: 'secretKeyRef', name: 'name' }]
const FROM_WHOLE: readonly Source[] = [{ kind: 'ConfigMap', field: 'configMapRef', name: 'name' }, { kind: 'Secret', field: 'secretRef', name: 'name' }]
const MOUNTED: readonly Source[] = [{ kind: 'ConfigMap', field: 'configMap', name: 'name' }, { kind: 'Secret', field: 'secret', name: 'secretName' }]
const PROJECTED: readonly Source[] = [{ kind: 'ConfigMap', field: 'configMap', name: 'name' }, { kind: 'Secret', field: 'secret', name: 'name' }]

const CONTAINERS = ['containers', 'initContainers', 'ephemeralContainers'] as const

/** The same pod spec with each of these references under the name that `rename` gives it. */
export function withReferences(podSpec: unknown, rename: Rename): Json {
  const spec = jsonOf(podSpec)
  const unseen = volumesWithoutRefresh(spec)
  const inContainers = CONTAINERS.reduce((changed, field) => each(changed, field, (container) => withVariables(container, rename)), spec)
  return each(inContainers, 'volumes', (volume) => withVolume(volume, { unseen: unseen.has(volume['name']), rename }))
}

function withVariables(container: Json, rename: Rename): Json {
  const named = each(container, 'env', (variable) => inside(variable, 'valueFrom', (from) => renamed(from, FROM_KEY, { unseen: true, rename })))
  return each(named, 'envFrom', (from) => renamed(from, FROM_WHOLE, { unseen: true, rename }))
}

type Renaming = { readonly unseen: boolean; readonly rename: Rename }

const withVolume = (volume: Json, renaming: Renaming): Json =>
  inside(renamed(volume, MOUNTED, renaming), 'projected', (projected) => each(projected, 'sources', (source) => renamed(source, PROJECTED, renaming)))

/** A file that is mounted by its path alone stays as it was when the container started. Source: kubernetes.io/docs/concepts/storage/volumes, "Using subPath". */
function volumesWithoutRefresh(spec: Json): ReadonlySet<unknown> {
  const mounts = CONTAINERS.flatMap((field) => listOf(spec[field])).flatMap((container) => listOf(container['volumeMounts']))
  return new Set(mounts.filter(({ subPath, subPathExpr }) => isText(subPath) || isText(subPathExpr)).map(({ name }) => name))
}

const renamed = (holder: Json, sources: readonly Source[], { unseen, rename }: Renaming): Json =>
  sources.reduce((changed, { kind, field, name: at }) => inside(changed, field, (source) => {
    const { [at]: name, optional } = source
    return isText(name) ? { ...source, [at]: rename({ kind, name, unseen, optional: optional === true }) } : source
  }), holder)

/** With this member changed, where there is one. */
const inside = (holder: Json, field: string, change: (member: Json) => Json): Json =>
  isJson(holder[field]) ? { ...holder, [field]: change(holder[field]) } : holder

/** With each item of this list changed, where there is one. */
const each = (holder: Json, field: string, change: (item: Json) => Json): Json =>
  Array.isArray(holder[field]) ? { ...holder, [field]: listOf(holder[field]).map(change) } : holder

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const jsonOf = (value: unknown): Json => (isJson(value) ? value : {})
const listOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.map(jsonOf) : [])
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
