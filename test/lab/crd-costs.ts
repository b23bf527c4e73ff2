import type { KubeObject } from '../../src/sandbox/objects.ts'

type Cause = { readonly field: string; readonly message: string }
type Schema = { readonly [keyword: string]: unknown }

/** Shares of what the API server allows a rule, and a whole CRD; by its estimate, before anything is run. */
export type Costs = { readonly rules: readonly { readonly rule: string; readonly share: number }[]; readonly whole: number | undefined }

/**
 * A definition whose objects hold up to `times` Canary specs: what one costs, so many times. The server tells the cost
 * of rules only where it is too high, so the probe is made too dear on purpose.
 */
export function probeOf(definition: KubeObject, times: number): KubeObject {
  const probe = structuredClone(definition)
  const spec = probe['spec'] as { group: string; versions: { schema: { openAPIV3Schema: Schema }; additionalPrinterColumns?: unknown }[] }
  spec.group = `probe.${spec.group}`
  for (const version of spec.versions) {
    const { properties } = version.schema.openAPIV3Schema as { readonly properties: Readonly<Record<string, Schema>> }
    version.schema.openAPIV3Schema = { type: 'object', properties: { many: { type: 'object', maxProperties: times, additionalProperties: properties['spec'] } } }
    delete version.additionalPrinterColumns
  }
  return { ...probe, metadata: { name: definition.metadata.name.replace('.', '.probe.') } }
}

/** Asks with ever dearer probes until all has been told once; a factor above 100 is told as "more than 100". */
export async function ruleCosts(refusals: (times: number) => Promise<readonly Cause[]>): Promise<Costs> {
  const rules = new Map<string, number>()
  let whole: number | undefined
  for (let times = 1; times <= 4 ** 15; times *= 4) {
    for (const { field, message } of await refusals(times)) {
      const factor = /exceeds budget by factor of ([\d.]+)x/.exec(message)?.[1]
      if (factor === undefined) continue
      if (message.includes('entire OpenAPIv3 schema')) whole ??= Number(factor) / times
      else {
        const rule = field.replace(/^.*additionalProperties\./, 'spec.')
        rules.set(rule, rules.get(rule) ?? Number(factor) / times)
      }
    }
  }
  return { rules: [...rules].map(([rule, share]) => ({ rule, share })).toSorted((one, other) => other.share - one.share), whole }
}

/** Of the whole CRD. Throws where the server has told nothing. */
export function totalCost({ whole }: Costs): number {
  if (whole === undefined) throw new Error('the API server has not told what the whole costs')
  return whole
}
