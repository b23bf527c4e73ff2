import type { KubernetesClient } from '../kubernetes/client.ts'
import { resourceName, type Resource } from '../kubernetes/resource.ts'
import { keyOf } from '../runtime/object.ts'

/** A write that was not sent, because this process may not write now. */
export class WriteRefusedError extends Error {
  override readonly name = 'WriteRefusedError'
}

/** The same client, each of whose writes asks first whether it may be sent: `refusal` says why not. */
export function fencedClient(client: KubernetesClient, refusal: () => string | undefined): KubernetesClient {
  const ask = (verb: string, resource: Resource, key: string): void => {
    const reason = refusal()
    if (reason !== undefined) throw new WriteRefusedError(`${verb} ${resourceName(resource)} ${key}: not sent: ${reason}`)
  }
  return {
    ...client,
    create: async (resource, object, ...rest) => {
      ask('create', resource, keyOf(object))
      return client.create(resource, object, ...rest)
    },
    jsonPatch: async (resource, key, ...rest) => {
      ask('patch', resource, key)
      return client.jsonPatch(resource, key, ...rest)
    },
    mergePatch: async (resource, key, ...rest) => {
      ask('patch', resource, key)
      return client.mergePatch(resource, key, ...rest)
    },
    delete: async (resource, key, ...rest) => {
      ask('delete', resource, key)
      return client.delete(resource, key, ...rest)
    },
  }
}
