import { fieldsAt, isFields, listAt, textAt, type Fields } from './json.ts'
import type { Column, Kind, KindVersion } from './kinds.ts'
import { resourceName } from './kinds.ts'
import type { KubeObject } from './objects.ts'
import { invalidValue, type Cause } from './refusals.ts'
import { compileSchema, type Schema } from './schema.ts'

/** The finalizer that holds a CustomResourceDefinition until its objects are gone. */
export const crdFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

const strings = (value: readonly unknown[]): readonly string[] => value.map(String)

/** The kind that a CustomResourceDefinition defines. */
export const kindOfCrd = (crd: KubeObject): Kind => {
  const names = fieldsAt(crd, 'spec', 'names')
  const versions = listAt(crd, 'spec', 'versions').filter(isFields)
  const group = textAt(crd, 'spec', 'group')
  const plural = textAt(names, 'plural')
  return {
    group,
    plural,
    kind: textAt(names, 'kind'),
    singular: textAt(names, 'singular'),
    shortNames: strings(listAt(names, 'shortNames')),
    categories: strings(listAt(names, 'categories')),
    namespaced: textAt(crd, 'spec', 'scope') === 'Namespaced',
    custom: true,
    generation: true,
    resource: resourceName(group, plural),
    storageVersion: textAt(
      versions.find((version) => version['storage'] === true),
      'name',
    ),
    versions: versions.filter((version) => version['served'] === true).map(versionOf),
  }
}

const versionOf = (version: Fields): KindVersion => {
  const schema = fieldsAt(version, 'schema', 'openAPIV3Schema') as Schema
  const columns = listAt(version, 'additionalPrinterColumns') as readonly Column[]
  const subresources = fieldsAt(version, 'subresources')
  const scale = subresources['scale'] as KindVersion['scale']
  return {
    name: textAt(version, 'name'),
    schema,
    check: compileSchema(schema),
    status: subresources['status'] !== undefined,
    ...(columns.length > 0 && { columns }),
    ...(scale !== undefined && { scale }),
  }
}

/** Fills in what the API server fills in at a CustomResourceDefinition, status included; returns what is wrong with it. */
export const admitCrd = (crd: KubeObject, now: string): readonly Cause[] => {
  const spec = fieldsAt(crd, 'spec')
  const names = fieldsAt(spec, 'names')
  const { kind, plural } = names
  const versions = listAt(spec, 'versions').filter(isFields)
  names['singular'] ??= textAt(names, 'kind').toLowerCase()
  names['listKind'] ??= `${textAt(names, 'kind')}List`
  spec['conversion'] ??= { strategy: 'None' }
  const stored = versions.filter((version) => version['storage'] === true).map((version) => version['name'])
  const condition = {
    status: 'True',
    lastTransitionTime: listAt(crd, 'status', 'conditions').map((known) => textAt(known, 'lastTransitionTime'))[0] ?? now,
  }
  crd['status'] = {
    acceptedNames: names,
    storedVersions: [...new Set([...listAt(crd, 'status', 'storedVersions'), ...stored])],
    conditions: [
      { type: 'NamesAccepted', ...condition, reason: 'NoConflicts', message: 'no conflicts found' },
      { type: 'Established', ...condition, reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' },
    ],
  }
  if (crd.metadata.deletionTimestamp === undefined)
    crd.metadata.finalizers = [...new Set([...(crd.metadata.finalizers ?? []), crdFinalizer])]
  const expected = `${String(plural)}.${textAt(spec, 'group')}`
  return [
    ...(crd.metadata.name === expected
      ? []
      : [invalidValue('metadata.name', crd.metadata.name, `must be spec.names.plural+"."+spec.group`)]),
    ...(typeof kind === 'string' ? [] : [{ field: 'spec.names.kind', message: 'Required value', reason: 'FieldValueRequired' }]),
    ...(stored.length === 1
      ? []
      : [invalidValue('spec.versions', stored, 'must have exactly one version marked as storage version')]),
    ...versions.flatMap((version, index) =>
      isFields(version['schema'])
        ? []
        : [
            {
              field: `spec.versions[${index}].schema.openAPIV3Schema`,
              message: 'Required value: schemas are required',
              reason: 'FieldValueRequired',
            },
          ],
    ),
  ]
}
