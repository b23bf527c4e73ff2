import { parseAllDocuments } from 'yaml'
import { readConfig } from '../../src/config.ts'
import type { OperatorSettings } from '../../src/operator.ts'

/** A Kubernetes object as a manifest has it. */
export type Manifest = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec?: Readonly<Record<string, unknown>>
}

type Probe = { readonly httpGet: { readonly path: string; readonly port: string } }

/** What tests read of the operator's pods. */
export type PodTemplate = {
  readonly metadata: { readonly labels: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: {
    readonly serviceAccountName: string
    readonly securityContext: Readonly<Record<string, unknown>>
    readonly containers: readonly [{
      readonly image: string
      readonly args: readonly string[]
      readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
      readonly livenessProbe: Probe
      readonly readinessProbe: Probe
      readonly securityContext: Readonly<Record<string, unknown>>
    }]
  }
}

/** Who the operator is, and what it is started with, as a chart rendered it. */
export type Installation = {
  readonly account: { readonly namespace: string; readonly name: string }
  readonly pods: PodTemplate
  /** As `readConfig` takes them; without a health port, for it runs inside a test. */
  readonly settings: OperatorSettings
}

export const manifestsOf = (text: string): readonly Manifest[] =>
  parseAllDocuments(text).map((document) => document.toJSON() as Manifest | null).filter((object) => object !== null)

/** The only object of a kind; throws where there is none, or more than one. */
export function only(objects: readonly Manifest[], kind: string): Manifest {
  const [found, ...others] = objects.filter((object) => object.kind === kind)
  if (found === undefined || others.length > 0) throw new Error(`${others.length + (found === undefined ? 0 : 1)} objects of kind ${kind}`)
  return found
}

/** The spec of the only object of a kind. */
export const specOf = (objects: readonly Manifest[], kind: string): Readonly<Record<string, unknown>> => only(objects, kind).spec ?? {}

export function installationOf(objects: readonly Manifest[]): Installation {
  const { namespace = '' } = only(objects, 'Deployment').metadata
  const pods = specOf(objects, 'Deployment')['template'] as PodTemplate
  const config = readConfig(pods.spec.containers[0].args, { HOSTNAME: 'serin-0' })
  if (config === 'help') throw new Error('the pods only ask for help')
  return { account: { namespace, name: pods.spec.serviceAccountName }, pods, settings: { ...config.operator, healthPort: undefined } }
}
