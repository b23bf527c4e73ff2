import type { CanaryStatus } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import { SKIP_ANALYSIS } from '../canary/people.ts'
import { hashOfParts } from '../canary/template-hash.ts'
import type { TrackedConfig } from '../canary/tracked-config.ts'
import type { TargetFacts, Workload } from '../canary/world.ts'
import { jsonOf, labelsOf, textOf } from '../istio/json.ts'
import type { KubeObject } from '../runtime/object.ts'
import { deploymentOf, templateLabels } from './indexes.ts'
import { troubleOfWorkload } from './pod-trouble.ts'
import { isAsMade, restartsOf, revisionOfHash } from './revision-deployment.ts'
import { selectorText } from './selector-text.ts'
import { targetsPods } from '../canary/targets-pods.ts'
import { FLOOR, MADE, STAMP, TAKEN_OVER, TARGET, TEMPLATES_SEEN } from './stamps.ts'

/** Of `status.selector`. */
const LONGEST_SELECTOR = 2048

/** The Deployment that `targetRef` names, if it stands and there is one. */
export const targetIn = (deployments: readonly KubeObject[], { source }: Settings): KubeObject | undefined =>
  source.kind === 'target' ? deployments.find(({ metadata }) => metadata.name === source.name) : undefined

/** The Deployments that are revisions, of a target whichever Canary made them. Of two with one version the older counts; the other is refused by name. */
export function revisionsIn(deployments: readonly KubeObject[], settings: Settings): readonly KubeObject[] {
  const { source } = settings
  const isRevision = ({ metadata }: KubeObject) => source.kind === 'versions' || metadata.annotations?.[TARGET] === source.name
  const oldestFirst = deployments.filter(isRevision).sort((a, b) => createdAt(a) - createdAt(b) || (a.metadata.name < b.metadata.name ? -1 : 1))
  const taken = new Set<string>()
  return oldestFirst.filter((deployment) => {
    const revision = revisionOf(deployment, settings)
    if (revision === '' || taken.has(revision)) return false
    taken.add(revision)
    return true
  })
}

export const revisionOf = (deployment: KubeObject, settings: Settings): string => templateLabels(deployment)[settings.versionLabel] ?? ''

const createdAt = ({ metadata }: KubeObject): number => Date.parse(metadata.creationTimestamp ?? '') || 0

/** What a pass knows of the target. While its configuration is unknown it stands for what status saw of it last. */
export function targetFacts(target: KubeObject, settings: Settings, { config, known, own }: Seen): TargetFacts | undefined {
  const { source } = settings
  if (source.kind !== 'target') return undefined
  const { name, uid, generation = 0, annotations } = target.metadata
  const takenOver = annotations?.[TAKEN_OVER]
  const now = { generation, hash: hashOfTarget(target, settings), config, revision: config && revisionOfTarget(target, source.ignoreAnnotations, config) }
  const seen = known?.uid === uid ? { generation: known.generation, hash: known.hash, config: known.config, revision: known.revision } : now
  return {
    name, uid,
    ...(config === undefined ? seen : now),
    replicas: replicasOf(target),
    takenOver: takenOver === undefined ? undefined : Number(takenOver),
    restarts: restartsOf(templateAnnotations(target), source.ignoreAnnotations),
    skipAnalysis: isSkipped(target),
    ...(own === undefined ? {} : { own, stamp: annotations?.[STAMP] }),
  }
}

/** The name that the target's own pods go by; without their hash while there are none, or those of two templates. */
export function ownPodsOf({ metadata }: KubeObject, pods: readonly KubeObject[]): string {
  const hashes = new Set(pods.filter((pod) => deploymentOf(pod) === metadata.name).map((pod) => pod.metadata.labels?.['pod-template-hash'] ?? ''))
  return targetsPods(hashes.size === 1 ? [...hashes].join('') : '')
}

/** The target with its own pods, as a revision like any other. */
export const targetAsWorkload = (target: KubeObject, own: string, pods: readonly KubeObject[], settings: Settings): Workload =>
  ({ ...workloadOf(target, pods, settings), revision: own, hash: own, floor: undefined })

type Seen = {
  readonly config: TrackedConfig | undefined
  /** What status saw of it last. */
  readonly known: CanaryStatus['observedTarget']
  readonly own: string | undefined
}

/** The revision that the target's pod template stands for, with what its pods are configured with. */
export const revisionOfTarget = (target: KubeObject, ignored: readonly string[], config: TrackedConfig = {}): string =>
  revisionOfHash(hashOfParts(textOf(target['templateDigest']) ?? '', templateAnnotations(target), ignored, config))

/** The hash of the target's pod template alone. */
export const hashOfTarget = (target: KubeObject, { source }: Settings): string =>
  hashOfParts(textOf(target['templateDigest']) ?? '', templateAnnotations(target), source.kind === 'target' ? source.ignoreAnnotations : [])

/** The labels that the target's revision will have on its pods. */
export const labelsToBe = (target: KubeObject, revision: string, { versionLabel }: Settings): Readonly<Record<string, string>> =>
  ({ ...templateLabels(target), [versionLabel]: revision })

/** What a pass knows of a revision; `pods` are those of it that the Service selects. */
export function workloadOf(deployment: KubeObject, pods: readonly KubeObject[], settings: Settings): Workload {
  const { metadata } = deployment
  const replicas = replicasOf(deployment)
  return {
    revision: revisionOf(deployment, settings),
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation ?? 0,
    createdAt: createdAt(deployment),
    ...contentOf(deployment, settings),
    skipAnalysis: isSkipped(deployment),
    stamp: metadata.annotations?.[STAMP],
    floor: floorOf(metadata.annotations?.[FLOOR]),
    replicas,
    ready: pods.filter((pod) => pod['ready'] === true).length,
    settled: isSettled(deployment, replicas),
    trouble: troubleOfWorkload(deployment, pods),
  }
}

/** What Serin made is known by its name, as long as it is as it was made. */
function contentOf(deployment: KubeObject, settings: Settings): Pick<Workload, 'hash' | 'restarts' | 'selector'> {
  const { source } = settings
  const digest = textOf(deployment['templateDigest']) ?? ''
  const annotations = templateAnnotations(deployment)
  if (source.kind === 'versions') return { hash: hashOfParts(digest, annotations) }
  const { [MADE]: made, [TEMPLATES_SEEN]: seen } = deployment.metadata.annotations ?? {}
  // What was written first runs: where it reads otherwise, an admission webhook or a new default of the API made it so, and nobody edited it.
  const isFirst = seen === '1'
  const hash = made === undefined || isFirst || isAsMade(made, digest, annotations) ? revisionOf(deployment, settings) : hashOfParts(digest, annotations, source.ignoreAnnotations)
  return { hash, restarts: restartsOf(annotations, source.ignoreAnnotations), selector: selectorShown(deployment, settings) }
}

/** One that is too long for the field leaves out what the revision's own label says as well. */
function selectorShown(deployment: KubeObject, settings: Settings): string {
  const text = selectorText(jsonOf(deployment['spec'])['selector'])
  return text.length <= LONGEST_SELECTOR ? text : `${settings.versionLabel}=${revisionOf(deployment, settings)}`
}

export const replicasOf = (deployment: KubeObject): number => Number(jsonOf(deployment['spec'])['replicas'] ?? 1)

const templateAnnotations = (deployment: KubeObject): Readonly<Record<string, string>> =>
  labelsOf(jsonOf(jsonOf(jsonOf(deployment['spec'])['template'])['metadata'])['annotations'])

const isSkipped = (deployment: KubeObject): boolean => templateAnnotations(deployment)[SKIP_ANALYSIS] === 'true'

/** Its controller has seen this very spec, and every pod there is belongs to it. */
function isSettled(deployment: KubeObject, replicas: number): boolean {
  const status = jsonOf(deployment['status'])
  const [observed, all, updated] = [status['observedGeneration'], status['replicas'], status['updatedReplicas']].map((value) => Number(value ?? 0))
  return observed !== undefined && observed >= (deployment.metadata.generation ?? 0) && all === replicas && updated === replicas
}

function floorOf(text: string | undefined): Workload['floor'] {
  const match = /^(\d+) (.+)$/.exec(text ?? '')
  return match?.[1] === undefined || match[2] === undefined ? undefined : { replicas: Number(match[1]), rollout: match[2] }
}
