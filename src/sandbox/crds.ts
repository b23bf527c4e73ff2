import { fieldsAt, isFields, listAt, textAt, type Fields } from './json.ts'
import { groupVersion, resourceName, type Column, type Kind, type KindVersion, type ScalePaths } from './kinds.ts'
import type { KubeObject } from './objects.ts'
import { invalidValue, required, type Cause } from './refusals.ts'
import { compileSchema, type Schema } from './schema.ts'

/** Where CustomResourceDefinitions are kept. */
export const crds = 'customresourcedefinitions.apiextensions.k8s.io'

/** The finalizer that holds a CustomResourceDefinition until its objects are gone. */
export const crdFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

/** The kind that a CustomResourceDefinition defines. */
export const kindOfCrd = (crd: KubeObject): Kind => {
  const names = fieldsAt(crd, 'spec', 'names')
  const versions = listAt(crd, 'spec', 'versions').filter(isFields)
  const [group, plural] = [textAt(crd, 'spec', 'group'), textAt(names, 'plural')]
  const storage = versions.find((version) => version['storage'] === true)
  return {
    group,
    plural,
    kind: textAt(names, 'kind'),
    singular: textAt(names, 'singular'),
    shortNames: listAt(names, 'shortNames').map(String),
    categories: listAt(names, 'categories').map(String),
    namespaced: textAt(crd, 'spec', 'scope') === 'Namespaced',
    custom: true,
    conditional: true,
    generation: 'spec',
    resource: resourceName(group, plural),
    stored: groupVersion(group, textAt(storage, 'name')),
    versions: versions.filter((version) => version['served'] === true).map(versionOf),
  }
}

const versionOf = (version: Fields): KindVersion => {
  const schema = fieldsAt(version, 'schema', 'openAPIV3Schema') as Schema
  const columns = listAt(version, 'additionalPrinterColumns') as readonly Column[]
  const { status, scale } = fieldsAt(version, 'subresources')
  return {
    name: textAt(version, 'name'),
    schema,
    check: compileSchema(schema),
    status: status !== undefined,
    ...(columns.length > 0 && { columns }),
    ...(scale !== undefined && { scale: scale as ScalePaths }),
  }
}

/** Fills in what the API server fills in at a CustomResourceDefinition, status included; returns what is wrong with it. */
export const admitCrd = (crd: KubeObject, now: string): readonly Cause[] => {
  const spec = fieldsAt(crd, 'spec')
  const names = fieldsAt(spec, 'names')
  const versions = listAt(spec, 'versions').filter(isFields)
  const stored = versions.filter((version) => version['storage'] === true).map((version) => version['name'])
  names['singular'] ??= textAt(names, 'kind').toLowerCase()
  names['listKind'] ??= `${textAt(names, 'kind')}List`
  spec['conversion'] ??= { strategy: 'None' }
  const lastTransitionTime = textAt(listAt(crd, 'status', 'conditions')[0], 'lastTransitionTime') || now
  const accepted = { status: 'True', lastTransitionTime, reason: 'Accepted' }
  const conditions = ['NamesAccepted', 'Established'].map((type) => ({ type, ...accepted }))
  const storedVersions = [...new Set([...listAt(crd, 'status', 'storedVersions'), ...stored])]
  crd['status'] = { acceptedNames: names, storedVersions, conditions }
  const { metadata } = crd
  if (metadata.deletionTimestamp === undefined) metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), crdFinalizer])]
  const named = metadata.name === `${textAt(names, 'plural')}.${textAt(spec, 'group')}`
  const schemaless = versions.findIndex((version) => !isFields(version['schema']))
  return [
    ...(named ? [] : [invalidValue('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group')]),
    ...(textAt(names, 'kind') === '' ? [required('spec.names.kind')] : []),
    ...(stored.length === 1 ? [] : [invalidValue('spec.versions', stored, 'must have exactly one storage version')]),
    ...(schemaless < 0 ? [] : [required(`spec.versions[${schemaless}].schema.openAPIV3Schema`)]),
  ]
}
