import { canaryCrd, schemaAnnotation } from '../api/crd.ts'
import { jsonOf, textOf } from '../istio/json.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { resources } from '../kubernetes/resource.ts'

const NAME = 'canaries.serin.dev'
const WANTED = textOf(jsonOf(jsonOf(jsonOf(canaryCrd())['metadata'])['annotations'])[schemaAnnotation])

/**
 * Why nothing may be advanced on the installed CRD; undefined when it is the one this Serin was built with.
 * An API server prunes fields it does not know instead of refusing them: on an older CRD a safety setting would
 * silently be missing.
 */
export async function crdProblem(client: KubernetesClient, signal: AbortSignal): Promise<string | undefined> {
  const installed = await client.get(resources.customResourceDefinitions, NAME, signal)
  if (installed === undefined) return `the CRD ${NAME} is not installed: apply crds/`
  return installed.metadata.annotations?.[schemaAnnotation] === WANTED
    ? undefined
    : `the installed CRD ${NAME} is not the one of this version of Serin: apply crds/; until then nothing is advanced`
}
