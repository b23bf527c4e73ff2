import { canaryActionSpecSchema, canaryActionStatusSchema } from './canary-action.ts'
import { hashOf, schemaAnnotation } from './crd.ts'
import { structuralSchemaOf } from './structural.ts'

const columns = [
  ['Canary', '.spec.canaryRef.name'],
  ['Action', '.spec.action'],
  ['Revision', '.spec.revision'],
  ['Requester', '.spec.requester'],
  ['Result', '.status.result'],
  ['Message', '.status.message'],
] as const

/** The CustomResourceDefinition of CanaryAction, generated from the schemas; the same object every time. */
export function canaryActionCrd(): object {
  const spec = {
    group: 'serin.dev',
    names: {
      kind: 'CanaryAction', listKind: 'CanaryActionList', plural: 'canaryactions', singular: 'canaryaction', categories: ['serin'],
    },
    scope: 'Namespaced',
    versions: [{
      name: 'v1beta1',
      served: true,
      storage: true,
      subresources: { status: {} },
      additionalPrinterColumns: [
        ...columns.map(([name, jsonPath]) => ({ name, type: 'string', jsonPath })),
        { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      ],
      schema: {
        openAPIV3Schema: {
          description: 'A CanaryAction asks something of a Canary, once: approve, promote, skip, pause, resume, abort or retry.',
          type: 'object',
          required: ['spec'],
          properties: {
            apiVersion: { type: 'string' },
            kind: { type: 'string' },
            metadata: { type: 'object' },
            spec: { description: 'What is asked for.', ...structuralSchemaOf(canaryActionSpecSchema) },
            status: { description: 'What became of it; written by Serin.', ...structuralSchemaOf(canaryActionStatusSchema) },
          },
        },
      },
    }],
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'canaryactions.serin.dev', annotations: { [schemaAnnotation]: hashOf(JSON.stringify(spec)) } },
    spec,
  }
}
