import { canonicalJson } from '../canary/template-hash.ts'
import type { Ledger } from '../canary/ledger.ts'
import { isMadeDelegate } from './delegates.ts'
import { isOwn } from './destination-rules.ts'
import { resolvedHost, serviceHost } from './host-name.ts'
import { jsonOf, listOf, parsed, textOf, type Json } from './json.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'

/** On a managed VirtualService: the ledger, the uid of that object and the Canary it belongs to, as JSON. */
export const LEDGER = 'serin.dev/ledger'

/** On a managed VirtualService: the saved `route` list of each managed route, as JSON. */
export const ORIGINAL = 'serin.dev/original'

/** Route id → the `route` list as the user wrote it; null for a route that was seen and left to the user. */
export type Saved = ReadonlyMap<string, readonly Json[] | null>

/** What the annotations of a VirtualService say. */
export type Annotated = {
  /** The ledger, if it was written to this very object for this Canary. */
  readonly ledger: Ledger | undefined
  /** It carries the ledger of another object. */
  readonly copied: boolean
  /** The other Canary whose ledger it carries, "namespace/name". */
  readonly otherCanary: string | undefined
  readonly saved: Saved | undefined
}

/** Reads the annotations; what cannot be read counts as absent. */
export function annotated(object: KubeObject, input: MeshInput): Annotated {
  const { uid = '', annotations } = object.metadata
  const content = parsed(annotations?.[LEDGER])
  const saved = parsed(annotations?.[ORIGINAL])
  const otherCanary = otherOwner(content, { object, saved, input })
  const ledger = isLedger(content) && otherCanary === undefined ? content : undefined
  const isCopy = ledger !== undefined && ledger.uid !== ledgerUid(object, input)
  return {
    ledger: ledger === undefined || isCopy ? undefined : { ...ledger, uid },
    copied: isCopy,
    otherCanary,
    saved: saved === undefined ? undefined : savedOf(saved),
  }
}

type Found = { readonly object: KubeObject; readonly saved: unknown; readonly input: MeshInput }

/** The Canary whose ledger it is and stays: one that is gone, or yields, leaves what was about this Service to this one. */
function otherOwner(content: unknown, found: Found): string | undefined {
  const owner = textOf(jsonOf(content)['canary'])
  if (owner === undefined || owner === canaryKey(found.input)) return undefined
  return found.input.others.includes(owner) || !isAboutService(found) ? owner : undefined
}

/** Our own object is by its name; of the user's some saved route went to the Service. */
function isAboutService({ object, saved, input }: Found): boolean {
  const isOurs = ({ destination }: Json) =>
    resolvedHost(textOf(jsonOf(destination)['host']) ?? '', object.metadata.namespace ?? '', input.clusterDomain) === serviceHost(input)
  return isOwn(input, object) || Object.values(jsonOf(saved)).some((list) => listOf(list).some(isOurs))
}

/** The text of the ledger annotation on `object`; equal ledgers have equal texts. */
export const ledgerText = (object: KubeObject, ledger: Omit<Ledger, 'uid'>, input: MeshInput): string =>
  canonicalJson({ ...ledger, canary: canaryKey(input), uid: ledgerUid(object, input) })

/** An object of ours is created with its ledger, before it has a uid, and known by its name and label. */
const ledgerUid = (object: KubeObject, input: MeshInput): string => (isOwn(input, object) || isMadeDelegate(input, object) ? '' : (object.metadata.uid ?? ''))

const canaryKey = ({ canary }: MeshInput): string => `${canary.namespace}/${canary.name}`

/** The text of the annotation with the originals. */
export const savedText = (saved: Saved): string => canonicalJson(Object.fromEntries(saved))

const savedOf = (value: unknown): Saved =>
  new Map(Object.entries(jsonOf(value)).map(([id, list]) => [id, Array.isArray(list) ? listOf(list) : null]))

function isLedger(value: unknown): value is Ledger {
  const { uid, stable, promotions, open, failed, exposure, served = {}, undone = [] } = jsonOf(value)
  return typeof uid === 'string' && typeof stable === 'string' && typeof promotions === 'number' &&
    isMap(open) && isMap(failed) && isMap(served) && Array.isArray(undone) && (exposure === undefined || isExposure(exposure))
}

function isExposure(value: unknown): boolean {
  const { revision, weight, match, mirror, preview = [], sticky, step, plan } = jsonOf(value)
  const { percent = 0, match: mirrored = [] } = jsonOf(mirror)
  return typeof revision === 'string' && typeof weight === 'number' && Array.isArray(match) && typeof percent === 'number' &&
    Array.isArray(mirrored) && Array.isArray(preview) && isSticky(sticky) && typeof step === 'number' && typeof plan === 'string'
}

function isSticky(value: unknown): boolean {
  const { cookie, attributes, id, drawn } = jsonOf(value)
  return value === undefined || ([cookie, attributes, id].every((text) => typeof text === 'string') && Array.isArray(drawn))
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isMap = (value: unknown): boolean => isObject(value) && Object.values(value).every(isObject)
