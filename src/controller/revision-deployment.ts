import { revisionLabel } from '../api/settings.ts'
import { withReferences, type ConfigReference } from '../canary/config-references.ts'
import { hashOfParts, annotationsOf, templateDigest } from '../canary/template-hash.ts'
import { configId, copyName, type TrackedConfig } from '../canary/tracked-config.ts'
import { jsonOf, labelsOf, type Json } from '../istio/json.ts'
import type { KubeObject, NewObject } from '../runtime/object.ts'
import { CANARY, CONFIG, MADE, STAMP, TARGET } from './stamps.ts'

/** Labels that are copied from the target; those by which other tools find what is theirs to prune are not. */
const COPIED = ['app', 'version', 'app.kubernetes.io/name', 'app.kubernetes.io/component', 'app.kubernetes.io/part-of', 'app.kubernetes.io/version']

/** Argo CD would take what Git does not name for a leftover. */
export const LEFT_ALONE = { 'argocd.argoproj.io/compare-options': 'IgnoreExtraneous', 'argocd.argoproj.io/sync-options': 'Prune=false' }

/** Labels that already say to Istio what the workload is called. Source: Istio's canonical service, istio.io/latest/docs/ops/deployment/requirements. */
const NAMING = ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app']

export type Made = { readonly canary: string; readonly revision: string; readonly config: TrackedConfig; readonly replicas: number; readonly stamp: string; /** Annotations that make no new version. */ readonly ignored: readonly string[] }

/** What a Deployment was made as: the hash of its template, and the annotations that did not count then, whatever the spec says later. */
export const madeAs = (digest: string, annotations: Readonly<Record<string, string>>, ignored: readonly string[]): string =>
  [hashOfParts(digest, annotations, ignored), ...ignored].join(' ')

/** Whether a template is as it was made. A rule of another Serin says nothing about this one. */
export function isAsMade(made: string, digest: string, annotations: Readonly<Record<string, string>>): boolean {
  const [hash = '', ...ignored] = made.split(' ')
  return madeAs(digest, annotations, ignored) === made || ruleOf(hash) !== ruleOf(hashOfParts(digest, annotations))
}

const ruleOf = (hash: string): string | undefined => hash.split(':')[0]

/** The name of what a pod template of the target stands for. */
export const revisionOfHash = (hash: string): string => hash.replace(/^h\d+:/, '').slice(0, 10)

/**
 * The Deployment that runs one revision of the target: its pod template, selector and all, and nobody's tracking marks.
 * What it is to have copies of is made before its pods: it starts with none.
 */
export function revisionDeployment(target: KubeObject, { canary, revision, config, replicas, stamp, ignored }: Made): NewObject {
  const { name, namespace = '', labels = {} } = target.metadata
  const { selector, minReadySeconds, progressDeadlineSeconds, strategy } = jsonOf(target['spec'])
  const template = templateOf(target, revision, config)
  const isConfigured = Object.keys(config).length > 0
  const copied = Object.entries(labels).filter(([key]) => COPIED.includes(key))
  const kept = Object.entries({ minReadySeconds, progressDeadlineSeconds }).filter(([, value]) => value !== undefined)
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: `${name}-${revision}`,
      namespace,
      labels: { ...Object.fromEntries(copied), 'app.kubernetes.io/managed-by': 'serin', [revisionLabel]: revision },
      annotations: { [TARGET]: name, [CANARY]: canary, [MADE]: madeAs(templateDigest(template), annotationsOf(template), ignored), [STAMP]: stamp, ...(isConfigured ? { [CONFIG]: JSON.stringify(config) } : {}), ...LEFT_ALONE },
    },
    spec: {
      replicas: isConfigured ? 0 : replicas,
      ...Object.fromEntries(kept),
      revisionHistoryLimit: 1,
      // Its pods are replaced by a restart alone, and never before others stand.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: surgeOf(strategy) } },
      selector: { ...jsonOf(selector), matchLabels: { ...labelsOf(jsonOf(selector)['matchLabels']), [revisionLabel]: revision } },
      template,
    },
  }
}

/** The target's pod template, with the revision's label and what it lacks for Istio's and people's views; what is tracked it takes from the revision's copies. */
export function templateOf(target: KubeObject, revision: string, config: TrackedConfig): Json {
  const template = jsonOf(jsonOf(target['spec'])['template'])
  const metadata = jsonOf(template['metadata'])
  const labels = labelsOf(metadata['labels'])
  const named = NAMING.some((key) => labels[key] !== undefined)
  const deployment = `${target.metadata.name}-${revision}`
  const nameOf = (reference: ConfigReference) => (config[configId(reference)] === undefined ? reference.name : copyName(reference.name, deployment))
  return {
    ...template,
    ...(Object.keys(config).length === 0 ? {} : { spec: withReferences(template['spec'], nameOf) }),
    metadata: {
      ...metadata,
      labels: {
        ...(named ? {} : { 'service.istio.io/canonical-name': target.metadata.name }),
        ...(labels['version'] === undefined ? { version: revision } : {}),
        ...labels,
        [revisionLabel]: revision,
      },
    },
  }
}

/** The configuration that a revision's Deployment was made with. */
export function configOf({ metadata }: KubeObject): TrackedConfig {
  try {
    return JSON.parse(metadata.annotations?.[CONFIG] ?? '{}') as TrackedConfig
  } catch {
    // Somebody's edit: its pods say what they lack.
    return {}
  }
}

/** More than none: with no pod unavailable and none in addition nothing could ever be replaced. */
function surgeOf(strategy: unknown): unknown {
  const { maxSurge } = jsonOf(jsonOf(strategy)['rollingUpdate'])
  return maxSurge === undefined || maxSurge === 0 || maxSurge === '0%' ? '25%' : maxSurge
}

/** The annotations of a pod template that make no new version. */
export const restartsOf = (annotations: Readonly<Record<string, string>>, ignored: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(annotations).filter(([key]) => ignored.includes(key)))

