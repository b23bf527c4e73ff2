import { ignoredAnnotations } from '../api/settings.ts'
import { sha256 } from './sha256.ts'

const OWN_PREFIX = 'serin.dev/'

/**
 * Values that an API server writes where nobody wrote any, by field name. A template with them and one without
 * are the same version. Source: the defaulting functions of core/v1 and the API reference.
 */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  apiVersion: 'v1',
  creationTimestamp: null,
  defaultMode: 420,
  dnsPolicy: 'ClusterFirst',
  enableServiceLinks: true,
  failureThreshold: 3,
  periodSeconds: 10,
  protocol: 'TCP',
  restartPolicy: 'Always',
  scheme: 'HTTP',
  schedulerName: 'default-scheduler',
  successThreshold: 1,
  terminationGracePeriodSeconds: 30,
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  timeoutSeconds: 1,
}

/**
 * The name of a pod template's content: equal for templates that run the same pods, whatever the order of keys or
 * what defaulting added; the order of lists counts. The prefix is the version of this very rule: a later one must
 * not make releases out of templates that nobody changed.
 */
export const templateHash = (template: unknown, ignored: readonly string[] = ignoredAnnotations): string =>
  hashOfParts(templateDigest(template), annotationsOf(template), ignored)

/**
 * The same from what a cache keeps of a template: its digest and its annotations; with the hashes of the objects that its
 * pods are configured with, where any are tracked.
 */
export const hashOfParts = (digest: string, annotations: Annotations, ignored: readonly string[] = ignoredAnnotations, config: Annotations = {}): string =>
  `h1:${sha256(canonicalJson([digest, counted(annotations, ignored), ...(Object.keys(config).length === 0 ? [] : [config])])).slice(0, 20)}`

/** The content of a pod template but for its annotations. */
export const templateDigest = (template: unknown): string => sha256(canonicalJson(pruned(template)))

/** The annotations of a pod template. */
export function annotationsOf(template: unknown): Annotations {
  const metadata = isRecord(template) ? template['metadata'] : undefined
  const annotations = isRecord(metadata) ? metadata['annotations'] : undefined
  return isRecord(annotations) ? (annotations as Annotations) : {}
}

type Annotations = Readonly<Record<string, string>>

/** Those that make a new version: not restarts and the like, and none of our own. */
const counted = (annotations: Annotations, ignored: readonly string[]): Annotations =>
  Object.fromEntries(Object.entries(annotations).filter(([key]) => !ignored.includes(key) && !key.startsWith(OWN_PREFIX)))

/** Values that an API server takes from their neighbours where nobody wrote any. */
function isImplied(key: string, { imagePullPolicy, image, serviceAccount, serviceAccountName }: Readonly<Record<string, unknown>>): boolean {
  if (key === 'imagePullPolicy') return imagePullPolicy === (isLatest(String(image)) ? 'Always' : 'IfNotPresent')
  return key === 'serviceAccount' && serviceAccount === serviceAccountName
}

/** An image without a tag is the latest; one with a digest is what it is. */
const isLatest = (image: string): boolean => !image.includes('@') && /(^|\/)[^/:]+(:latest)?$/.test(image)

/** JSON with sorted keys: equal text means equal content. What JSON cannot say counts as null in lists, and as missing elsewhere. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null'
  const members = Object.keys(value).filter((key) => value[key] !== undefined).sort()
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(',')}}`
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Without what means nothing, defaults, empty maps and lists, and without the annotations. */
function pruned(value: unknown, field = ''): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => pruned(item) ?? null)
  if (!isRecord(value)) return field in DEFAULTS && DEFAULTS[field] === value ? undefined : (value ?? undefined)
  const kept = Object.entries(value)
    .filter(([key]) => (field !== 'metadata' || key !== 'annotations') && !isImplied(key, value))
    .map(([key, inner]) => [key, field === 'labels' ? inner : pruned(inner, key)] as const)
    .filter(([, inner]) => inner !== undefined)
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}
