import type { Settings } from '../api/settings.ts'
import type { Refusal } from '../canary/world.ts'
import type { KubeObject } from '../runtime/object.ts'
import { deploymentOf, scaledBy } from './indexes.ts'
import type { Snapshot } from './snapshot.ts'
import { isAmbient } from './prune.ts'
import { revisionOf } from './workloads.ts'

const MOST_VERSIONS = 32

/** What only the pods and Deployments can tell: refused before anything moves. A rollout under way is another matter. */
export function workloadRefusals(snapshot: Snapshot, versions: readonly KubeObject[], settings: Settings): readonly Refusal[] {
  const { service, pods } = snapshot
  if (service === undefined) return []
  const ambient = pods.find(isAmbient)
  const refusals: readonly (Refusal | undefined)[] = [
    ...(settings.source.kind === 'target' ? [scalerOnTarget(snapshot, settings.source.name)] : ofVersions(snapshot, versions, settings.versionLabel)),
    foreignEndpoint(snapshot, versions, settings),
    ambient && { reason: 'AmbientMode', message: `pod ${ambient.metadata.name} is in an ambient mesh, where no VirtualService of a sidecar applies: Serin needs sidecars` },
  ]
  return refusals.filter((refusal) => refusal !== undefined)
}

function ofVersions({ deployments }: Snapshot, versions: readonly KubeObject[], label: string): readonly (Refusal | undefined)[] {
  const double = deployments.find((deployment) => !versions.includes(deployment))
  return [
    double && { reason: 'DuplicateVersion', message: `Deployment ${double.metadata.name} has the same ${label} as another one, or none: give each version's pods a ${label} label of its own` },
    versions.length <= MOST_VERSIONS ? undefined : { reason: 'TooManyVersions', message: `${versions.length} Deployments match spec.versions.selector, ${MOST_VERSIONS} are remembered: delete those that will not come back` },
  ]
}

function foreignEndpoint({ canary, pods, service }: Snapshot, versions: readonly KubeObject[], settings: Settings): Refusal | undefined {
  const { source, versionLabel: label } = settings
  const known = new Set([...versions.map((deployment) => revisionOf(deployment, settings)), ...(canary.status?.seen ?? []).map(({ revision }) => revision)])
  const isTargets = (pod: KubeObject) => source.kind === 'target' && pod.metadata.labels?.[label] === undefined && deploymentOf(pod) === source.name
  const foreign = pods.find((pod) => pod.metadata.deletionTimestamp === undefined && !known.has(pod.metadata.labels?.[label] ?? '') && !isTargets(pod))
  const [owner, remedy] = source.kind === 'target' ? [`revision of ${source.name}`, ''] : ['version', ', or label its Deployment as a version']
  return foreign && {
    reason: 'ForeignEndpoints',
    message: `Service ${service?.metadata.name ?? ''} also selects pod ${foreign.metadata.name}, which belongs to no ${owner}: pinning the routes would silently drop it; take it out of the Service${remedy}`,
  }
}

/** Two scalers would set the size of one set of pods, and stop each other. */
function scalerOnTarget({ autoscalers, canary }: Snapshot, target: string): Refusal | undefined {
  const scaler = autoscalers.find((autoscaler) => scaledBy(autoscaler).some((scaled) => scaled.startsWith('Deployment ')))
  if (scaler === undefined) return undefined
  // KEDA's belongs to a ScaledObject, and whoever changes it directly is overruled.
  const { kind, name } = scaler.metadata.ownerReferences?.find(({ controller }) => controller === true) ?? { kind: 'HorizontalPodAutoscaler', name: scaler.metadata.name }
  return {
    reason: 'ScalerOnTarget',
    message: `${kind} ${name} scales Deployment ${target}, which is kept at 0: point its scaleTargetRef at the Canary ` +
      `(apiVersion: serin.dev/v1beta1, kind: Canary, name: ${canary.metadata.name})`,
  }
}
