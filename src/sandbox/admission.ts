import { admitCrd } from './crds.ts'
import { equal, fieldsAt, isFields, listAt, setAt, textAt, type Fields } from './json.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import { invalidValue, type Cause } from './refusals.ts'
import { labelSelectorMatches } from './selectors.ts'

/** One draft on its way into the store; admission fills it in, in place. */
export type Admission = {
  readonly draft: KubeObject
  readonly previous: KubeObject | undefined
  /** RFC 3339, seconds. */
  readonly now: string
  readonly clusterIp: () => string
}

type Rule = (admission: Admission) => readonly Cause[]

const defaults = (target: Fields, values: Fields): void => {
  for (const [name, value] of Object.entries(values)) target[name] ??= value
}

const specOf = (object: KubeObject): Fields => {
  const spec = fieldsAt(object, 'spec')
  object['spec'] = spec
  return spec
}

const containerDefaults = (container: Fields): void => {
  const tagged = textAt(container, 'image').split('/').at(-1)?.split(':')[1] ?? 'latest'
  defaults(container, {
    imagePullPolicy: tagged === 'latest' ? 'Always' : 'IfNotPresent',
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  })
  for (const port of listAt(container, 'ports').filter(isFields)) defaults(port, { protocol: 'TCP' })
  for (const variable of listAt(container, 'env').filter(isFields)) {
    const fieldRef = fieldsAt(variable, 'valueFrom', 'fieldRef')
    if (fieldRef['fieldPath'] !== undefined) defaults(fieldRef, { apiVersion: 'v1' })
  }
}

const podDefaults = (spec: Fields): void => {
  defaults(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
  })
  if (typeof spec['serviceAccountName'] === 'string') defaults(spec, { serviceAccount: spec['serviceAccountName'] })
  for (const container of [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')].filter(isFields))
    containerDefaults(container)
}

const workloadCauses = ({ draft, previous }: Admission): readonly Cause[] => {
  const spec = specOf(draft)
  const labels = fieldsAt(spec, 'template', 'metadata', 'labels') as Record<string, string>
  if (!isFields(spec['selector'])) return [{ field: 'spec.selector', message: 'Required value', reason: 'FieldValueRequired' }]
  if (!labelSelectorMatches(spec['selector'], labels))
    return [invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')]
  if (previous !== undefined && !equal(specOf({ ...previous })['selector'], spec['selector']))
    return [invalidValue('spec.selector', spec['selector'], 'field is immutable')]
  const { replicas } = spec
  return Number.isInteger(replicas) && Number(replicas) >= 0
    ? []
    : [invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0')]
}

const replicaSet: Rule = (admission) => {
  const spec = specOf(admission.draft)
  defaults(spec, { replicas: 1 })
  podDefaults(fieldsAt(spec, 'template', 'spec'))
  return workloadCauses(admission)
}

const deployment: Rule = (admission) => {
  const spec = specOf(admission.draft)
  defaults(spec, { strategy: {}, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 })
  const strategy = fieldsAt(spec, 'strategy')
  defaults(strategy, { type: 'RollingUpdate' })
  if (strategy['type'] === 'RollingUpdate') {
    defaults(strategy, { rollingUpdate: {} })
    defaults(fieldsAt(strategy, 'rollingUpdate'), { maxUnavailable: '25%', maxSurge: '25%' })
  }
  return replicaSet(admission)
}

const pod: Rule = ({ draft, previous, now }) => {
  const spec = specOf(draft)
  podDefaults(spec)
  defaults(spec, { serviceAccountName: 'default', nodeName: 'sandbox' })
  const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: now }
  if (previous === undefined) draft['status'] = { phase: 'Pending', qosClass: 'BestEffort', conditions: [scheduled] }
  return listAt(spec, 'containers').length > 0
    ? []
    : [{ field: 'spec.containers', message: 'Required value', reason: 'FieldValueRequired' }]
}

const service: Rule = ({ draft, previous, clusterIp }) => {
  const spec = specOf(draft)
  defaults(spec, { type: 'ClusterIP', sessionAffinity: 'None', internalTrafficPolicy: 'Cluster' })
  const before = fieldsAt(previous, 'spec')
  if (spec['type'] !== 'ExternalName') {
    spec['clusterIP'] ??= before['clusterIP'] ?? clusterIp()
    defaults(spec, { clusterIPs: [spec['clusterIP']], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
  }
  for (const port of listAt(spec, 'ports').filter(isFields)) defaults(port, { protocol: 'TCP', targetPort: port['port'] })
  if (previous === undefined) draft['status'] = { loadBalancer: {} }
  const moved = before['clusterIP'] !== undefined && spec['clusterIP'] !== before['clusterIP']
  return moved ? [invalidValue('spec.clusterIPs[0]', [spec['clusterIP']], 'may not change once set')] : []
}

const namespace: Rule = ({ draft, previous }) => {
  setAt(draft.metadata, ['labels', 'kubernetes.io/metadata.name'], draft.metadata.name)
  if (previous === undefined) Object.assign(draft, { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } })
  return []
}

const rules: Readonly<Record<ResourceName, Rule>> = {
  namespaces: namespace,
  pods: pod,
  services: service,
  'deployments.apps': deployment,
  'replicasets.apps': replicaSet,
  'customresourcedefinitions.apiextensions.k8s.io': ({ draft, now }) => admitCrd(draft, now),
}

/** Fills in a built-in object's defaults in place, and returns what is wrong with it. */
export const admitBuiltIn = (resource: ResourceName, admission: Admission): readonly Cause[] => rules[resource]?.(admission) ?? []
