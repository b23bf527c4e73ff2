import { canarySpecSchema, canaryStatusSchema } from './canary.ts'
import { structuralSchemaOf, type StructuralSchema } from './structural.ts'

/** The annotation with the hash of a CRD's content, by which the operator knows one that is not its own. */
export const schemaAnnotation = 'serin.dev/schema'

const columns = [
  ['Phase', '.status.phase'],
  ['Step', '.status.step'],
  ['Weight', '.status.weight'],
  ['Stable', '.status.stableRevision'],
  ['Canary', '.status.canaryRevision'],
  ['Message', '.status.message'],
] as const

/** The CustomResourceDefinition of Canary, generated from the schemas; the same object every time. */
export function canaryCrd(): object {
  const spec = {
    group: 'serin.dev',
    names: {
      kind: 'Canary', listKind: 'CanaryList', plural: 'canaries', singular: 'canary', shortNames: ['scn'], categories: ['serin'],
    },
    scope: 'Namespaced',
    versions: [{
      name: 'v1beta1',
      served: true,
      storage: true,
      subresources: {
        status: {},
        scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
      },
      additionalPrinterColumns: [
        ...columns.map(([name, jsonPath]) => ({ name, type: 'string', jsonPath })),
        { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      ],
      schema: { openAPIV3Schema: manifestSchema() },
    }],
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'canaries.serin.dev', annotations: { [schemaAnnotation]: hashOf(JSON.stringify(spec)) } },
    spec,
  }
}

function manifestSchema(): StructuralSchema {
  return {
    description: 'A Canary releases the new versions of one service step by step, and takes back those that fail.',
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: { description: 'What is wanted.', ...structuralSchemaOf(canarySpecSchema) },
      status: { description: 'What is; written by Serin.', ...structuralSchemaOf(canaryStatusSchema) },
    },
  }
}

/** FNV-1a, 64 bits, in hex: enough to tell two schemas apart, and no cryptography. */
export function hashOf(text: string): string {
  let hash = 0xcbf29ce484222325n
  for (const character of text) hash = BigInt.asUintN(64, (hash ^ BigInt(character.codePointAt(0) ?? 0)) * 0x100000001b3n)
  return hash.toString(16).padStart(16, '0')
}
