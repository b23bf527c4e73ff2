import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { type Resource, resources } from '../kubernetes/resource.ts'
import { statusOf } from '../runtime/failure.ts'
import { keyOf, type NewObject } from '../runtime/object.ts'

/** Where the story takes place. */
export const NAMESPACE = 'istioinaction'

const kind = (group: string, version: string, plural: string, name: string): Resource => ({ group, version, plural, kind: name, namespaced: true })

const KINDS: readonly Resource[] = [
  ...Object.values(resources),
  kind('', 'v1', 'serviceaccounts', 'ServiceAccount'),
  kind('networking.istio.io', 'v1', 'gateways', 'Gateway'),
]

/** The objects of files in examples/happy-istio, in order: `happyIstio('namespace', 'service-a')`. */
export const happyIstio = (...names: readonly string[]): readonly NewObject[] => names.flatMap(read)

function read(name: string): readonly NewObject[] {
  const text = readFileSync(new URL(`../../examples/happy-istio/${name}.yaml`, import.meta.url), 'utf8')
  return parseAllDocuments(text).map((document) => document.toJSON() as NewObject)
}

/** The same objects in another namespace, with gateways and routes of their own for `host`. */
export const moved = (objects: readonly NewObject[], namespace: string, host: string): readonly NewObject[] =>
  objects.map((object) => JSON.parse(JSON.stringify(object).replaceAll(`"${NAMESPACE}"`, `"${namespace}"`).replaceAll('"*"', `"${host}"`)) as NewObject)

/** Creates each object in turn, or merges it over the one that is there; rejects at the first that is refused. */
export async function apply(client: KubernetesClient, objects: readonly NewObject[], signal: AbortSignal): Promise<void> {
  for (const object of objects) {
    const resource = resourceOf(object)
    await client.create(resource, object, signal).catch((error: unknown) => {
      if (statusOf(error) !== 409) throw error
      return client.mergePatch(resource, keyOf(object), object, { signal })
    })
  }
}

function resourceOf(object: NewObject): Resource {
  const found = KINDS.find((each) => each.kind === object.kind)
  if (found === undefined) throw new Error(`no resource is known for ${object.kind} ${object.metadata.name}`)
  return found
}
