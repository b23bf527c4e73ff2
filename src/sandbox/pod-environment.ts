import { at, fieldsAt, isFields, listAt, textAt, type Fields } from './json.ts'
import type { KubeObject, ResourceName } from './objects.ts'

type Find = (resource: ResourceName, name: string) => KubeObject | undefined
type Values = Readonly<Record<string, string>>

/** What keeps the kubelet from making a container. */
class LackError extends Error {
  override readonly name = 'LackError'
}

/**
 * The pod with the variables that its containers take from ConfigMaps and Secrets written out, as these are now; or, where
 * one is missing that must be there, what the kubelet says.
 */
export function withEnvironment(pod: KubeObject, find: Find): KubeObject | { readonly lack: string } {
  try {
    const containers = listAt(pod, 'spec', 'containers').map((container) => ({ ...(container as Fields), env: variables(container, find) }))
    return { ...pod, spec: { ...fieldsAt(pod, 'spec'), containers } }
  } catch (thrown) {
    if (thrown instanceof LackError) return { lack: thrown.message }
    throw thrown
  }
}

const KINDS: readonly (readonly [suffix: string, resource: ResourceName, word: string])[] = [['configMap', 'configmaps', 'configmap'], ['secret', 'secrets', 'secret']]

/** Those from whole objects first: one that the container names itself wins. */
function variables(container: unknown, find: Find): readonly Fields[] {
  const whole = listAt(container, 'envFrom').flatMap((from) => KINDS.flatMap(([field, resource, word]) => {
    const values = valuesOf(fieldsAt(from, `${field}Ref`), { resource, word, find }) ?? {}
    return Object.entries(values).map(([key, value]) => ({ name: `${textAt(from, 'prefix')}${key}`, value }))
  }))
  return [...whole, ...listAt(container, 'env').filter(isFields).flatMap((variable) => written(variable, find))]
}

function written(variable: Fields, find: Find): readonly Fields[] {
  const [source] = KINDS.filter(([field]) => at(variable, 'valueFrom', `${field}KeyRef`) !== undefined)
  if (source === undefined) return [variable]
  const [field, resource, word] = source
  const reference = fieldsAt(variable, 'valueFrom', `${field}KeyRef`)
  const key = textAt(reference, 'key')
  const value = valuesOf(reference, { resource, word, find })?.[key]
  if (value !== undefined) return [{ name: variable['name'], value }]
  if (reference['optional'] === true) return []
  throw new LackError(`couldn't find key ${key} in ${word} ${textAt(reference, 'name')}`)
}

/** Undefined where an optional object is missing, or none is referred to. */
function valuesOf(reference: Fields, { resource, word, find }: { readonly resource: ResourceName; readonly word: string; readonly find: Find }): Values | undefined {
  const name = textAt(reference, 'name')
  const object = name === '' ? undefined : find(resource, name)
  if (name !== '' && object === undefined && reference['optional'] !== true) throw new LackError(`${word} "${name}" not found`)
  const values = Object.entries(fieldsAt(object, 'data')).map(([key, value]) => [key, resource === 'secrets' ? Buffer.from(String(value), 'base64').toString() : String(value)])
  return object && (Object.fromEntries(values) as Values)
}
