import { at, setAt, textAt, type Fields } from './json.ts'
import type { ScalePaths } from './kinds.ts'
import type { KubeObject } from './objects.ts'
import { badRequest, Refusal } from './refusals.ts'
import { labelSelectorText } from './selectors.ts'

const steps = (path: string): readonly string[] => path.split('.').slice(1)

/** An object as the autoscaling/v1 Scale that its kind's scale subresource shows. */
export const scaleOf = (object: KubeObject, paths: ScalePaths): KubeObject => {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const selector = paths.labelSelectorPath === undefined ? '' : labelSelectorText(at(object, ...steps(paths.labelSelectorPath)))
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp } as KubeObject['metadata'],
    spec: { replicas: at(object, ...steps(paths.specReplicasPath)) ?? 0 },
    status: { replicas: at(object, ...steps(paths.statusReplicasPath)) ?? 0, ...(selector !== '' && { selector }) },
  }
}

/** Refuses, with 500, to show the scale of a custom resource that says none. */
export const demandSize = (object: KubeObject, { specReplicasPath }: ScalePaths): void => {
  if (at(object, ...steps(specReplicasPath)) !== undefined) return
  throw new Refusal(500, 'InternalError', `Internal error occurred: the spec replicas field "${specReplicasPath}" does not exist`)
}

/** The object with a Scale's replicas and resourceVersion put into it; changes its argument. */
export const withScale = (object: Fields, scale: Fields, paths: ScalePaths): Fields => {
  const replicas = at(scale, 'spec', 'replicas') ?? 0
  if (!Number.isInteger(replicas) || Number(replicas) < 0)
    throw badRequest(`spec.replicas: Invalid value: ${JSON.stringify(replicas)}`)
  setAt(object, steps(paths.specReplicasPath), replicas)
  for (const field of ['uid', 'resourceVersion']) {
    const value = textAt(scale, 'metadata', field)
    if (value !== '') setAt(object, ['metadata', field], value)
  }
  return object
}
