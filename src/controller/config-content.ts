import { createHash } from 'node:crypto'
import type { ConfigReference } from '../canary/config-references.ts'
import { canonicalJson } from '../canary/template-hash.ts'
import { MISSING } from '../canary/tracked-config.ts'
import { resources, type Resource } from '../kubernetes/resource.ts'
import type { KubeObject } from '../runtime/object.ts'
import { isOlder } from './own-writes.ts'
import { TRACK } from './stamps.ts'

/** What an object said when it was read; the content itself is forgotten. */
export type Content = {
  readonly hash: string
  readonly resourceVersion: string | undefined
  readonly track: string | undefined
  /** The version that the cache had when it was read. */
  readonly seen: string | undefined
  /** The watch has told since that it was deleted. */
  readonly isGone?: true
  /** Hashes that statuses recorded before it was read: it is newer than they are. */
  readonly since: ReadonlySet<string>
}

/** What a read came to. */
export const contentOf = (object: KubeObject | undefined, read: Pick<Content, 'seen' | 'since'>): Content =>
  ({ ...read, hash: object === undefined ? MISSING : contentHash(object), resourceVersion: object?.metadata.resourceVersion, track: object?.metadata.annotations?.[TRACK] })

/** Whether the watch has told of something newer; `version` is the one that the cache has. */
export const isBehind = ({ seen, resourceVersion, isGone }: Content, version: string | undefined): boolean =>
  isGone === true || (version !== undefined && version !== seen && (resourceVersion === undefined || isOlder(resourceVersion, version)))

/** Whether it differs from what a status recorded after it was read. */
export const isDoubted = ({ hash, since }: Content, recorded: string | undefined): boolean => recorded !== undefined && recorded !== hash && !since.has(recorded)

/** The resource of a kind that a reference names. */
export const configResource = (kind: string): Resource => (kind === 'Secret' ? resources.secrets : resources.configMaps)

/** The hash of what pods get from a ConfigMap or Secret. */
export const contentHash = ({ data = {}, binaryData = {} }: KubeObject): string =>
  createHash('sha256').update(canonicalJson([data, binaryData])).digest('hex').slice(0, 16)

/** Names an object among all that are tracked: "ConfigMap shop/app". */
export const itemOf = ({ kind, name }: Pick<ConfigReference, 'kind' | 'name'>, namespace: string): string => `${kind} ${namespace}/${name}`

/** The other way round. */
export const partsOf = (item: string): { readonly kind: string; readonly key: string } => {
  const [kind = '', key = ''] = item.split(' ')
  return { kind, key }
}
