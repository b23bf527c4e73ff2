import { canonicalJson } from '../canary/template-hash.ts'
import type { Ledger } from '../canary/ledger.ts'
import { isOwn } from './destination-rules.ts'
import { jsonOf, listOf, parsed, type Json } from './json.ts'
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
  const canary = jsonOf(content)['canary']
  const isAnothers = typeof canary === 'string' && canary !== canaryKey(input)
  const ledger = isLedger(content) && !isAnothers ? content : undefined
  const isCopy = ledger !== undefined && ledger.uid !== ledgerUid(object, input)
  return {
    ledger: ledger === undefined || isCopy ? undefined : { ...ledger, uid },
    copied: isCopy,
    otherCanary: isAnothers ? canary : undefined,
    saved: saved === undefined ? undefined : savedOf(saved),
  }
}

/** The text of the ledger annotation on `object`; equal ledgers have equal texts. */
export const ledgerText = (object: KubeObject, ledger: Omit<Ledger, 'uid'>, input: MeshInput): string =>
  canonicalJson({ ...ledger, canary: canaryKey(input), uid: ledgerUid(object, input) })

/** An object of ours is created with its ledger, before it has a uid, and known by its name and label. */
const ledgerUid = (object: KubeObject, input: MeshInput): string => (isOwn(input, object) ? '' : (object.metadata.uid ?? ''))

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
  const { revision, weight, match, mirror, step, plan } = jsonOf(value)
  const { percent = 0, match: mirrored = [] } = jsonOf(mirror)
  return typeof revision === 'string' && typeof weight === 'number' && Array.isArray(match) && typeof percent === 'number' &&
    Array.isArray(mirrored) && typeof step === 'number' && typeof plan === 'string'
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isMap = (value: unknown): boolean => isObject(value) && Object.values(value).every(isObject)
