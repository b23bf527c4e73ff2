import { configReferences } from '../canary/config-references.ts'
import { annotationsOf, templateDigest } from '../canary/template-hash.ts'
import { jsonOf, listOf } from '../istio/json.ts'
import type { Resource } from '../kubernetes/resource.ts'
import type { KubeObject } from '../runtime/object.ts'
import { templateLabels } from './indexes.ts'
import { troubleOfPod } from './pod-trouble.ts'
import { TEMPLATES_SEEN, TRACK } from './stamps.ts'

/** Keeps everything but managedFields: annotations stay whole, for a patch must know whether there are any. */
export function pruneManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _dropped, ...metadata } = object.metadata
  return { ...object, metadata: metadata as KubeObject['metadata'] }
}

const OWN = 'serin.dev/'

/** Keeps of a Deployment what a revision is judged by; of its template only the labels, the annotations and a digest of the rest. */
export function pruneDeployment(object: KubeObject): KubeObject {
  const spec = jsonOf(object['spec'])
  const own = Object.entries(object.metadata.annotations ?? {}).filter(([key]) => key.startsWith(OWN) || key === TEMPLATES_SEEN)
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { ...identity(object), annotations: Object.fromEntries(own), hasAnnotations: object.metadata.annotations !== undefined },
    spec: { replicas: spec['replicas'], selector: spec['selector'], template: { metadata: { labels: templateLabels(object), annotations: annotationsOf(spec['template']) } } },
    templateDigest: templateDigest(spec['template']),
    config: configReferences(jsonOf(spec['template'])['spec']),
    status: object['status'],
  }
}

/** What is kept of an object of this resource, whether a watch tells of it or a write is answered with it. */
export const prunedAs = ({ plural }: Pick<Resource, 'plural'>, object: KubeObject): KubeObject =>
  plural === 'deployments' ? pruneDeployment(object) : pruneManagedFields(object)

/** Keeps of a ConfigMap or Secret whether it is to be tracked, and whose it is; nothing of what it says, nor what another tool noted of that. */
export function pruneConfig(object: KubeObject): KubeObject {
  const { annotations: { [TRACK]: track } = {}, ownerReferences = [] } = object.metadata
  return { apiVersion: object.apiVersion, kind: object.kind, metadata: { ...identity(object), labels: {}, ownerReferences, annotations: track === undefined ? {} : { [TRACK]: track } } }
}

/** Keeps of an autoscaler what it scales, and who made it. */
export function pruneAutoscaler(object: KubeObject): KubeObject {
  const { ownerReferences = [] } = object.metadata
  return { apiVersion: object.apiVersion, kind: object.kind, metadata: { ...identity(object), ownerReferences }, spec: { scaleTargetRef: jsonOf(object['spec'])['scaleTargetRef'] } }
}

/** Keeps of a pod whose it is, whether it is ready, and why not. */
export function prunePod(object: KubeObject): KubeObject {
  const ready = listOf(jsonOf(object['status'])['conditions']).find((condition) => condition['type'] === 'Ready')
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { ...identity(object), ...(isAmbient(object) ? { annotations: { [AMBIENT]: 'enabled' } } : {}) },
    replicaSet: object.metadata.ownerReferences?.find(({ kind, controller }) => kind === 'ReplicaSet' && controller === true)?.name,
    ready: ready?.['status'] === 'True',
    readySince: ready?.['lastTransitionTime'],
    ...(ready?.['status'] === 'True' ? {} : { trouble: troubleOfPod(object) }),
  }
}

/** Set by Istio's CNI on the pods of an ambient mesh. */
const AMBIENT = 'ambient.istio.io/redirection'

export const isAmbient = ({ metadata }: KubeObject): boolean => metadata.annotations?.[AMBIENT] === 'enabled'

function identity({ metadata }: KubeObject): KubeObject['metadata'] {
  const { name, namespace, uid, resourceVersion, generation, labels, creationTimestamp, deletionTimestamp } = metadata
  const present = Object.entries({ namespace, generation, labels, creationTimestamp, deletionTimestamp }).filter(([, value]) => value !== undefined)
  return { name, uid, resourceVersion, ...Object.fromEntries(present) }
}
