import { canaryActionCrd } from '../api/canary-action-crd.ts'
import { canaryCrd, schemaAnnotation } from '../api/crd.ts'
import { jsonOf, textOf } from '../istio/json.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { resources } from '../kubernetes/resource.ts'

const wantedOf = (crd: object): string | undefined => textOf(jsonOf(jsonOf(jsonOf(crd)['metadata'])['annotations'])[schemaAnnotation])

const CANARIES = { name: 'canaries.serin.dev', wanted: wantedOf(canaryCrd()) }
const ACTIONS = { name: 'canaryactions.serin.dev', wanted: wantedOf(canaryActionCrd()) }

/**
 * Why nothing may be advanced on the installed CRDs; undefined when they are those this Serin was built with.
 * An API server prunes fields it does not know instead of refusing them: on an older CRD a safety setting would
 * silently be missing. Without CanaryActions nobody can say anything, which harms nobody.
 */
export async function crdProblem(client: KubernetesClient, signal: AbortSignal): Promise<string | undefined> {
  const read = async ({ name, wanted }: typeof CANARIES) => ({ name, wanted, installed: await client.get(resources.customResourceDefinitions, name, signal) })
  const [canaries, actions] = await Promise.all([read(CANARIES), read(ACTIONS)])
  if (canaries.installed === undefined) return `the CRD ${canaries.name} is not installed: apply crds/`
  const other = [canaries, actions].find(({ installed, wanted }) => installed !== undefined && installed.metadata.annotations?.[schemaAnnotation] !== wanted)
  return other && `the installed CRD ${other.name} is not the one of this version of Serin: apply crds/; until then nothing is advanced`
}
