import { isDeepStrictEqual as equal } from 'node:util'
import { admitCrd, crds } from './crds.ts'
import { fieldsAt, isFields, listAt, setAt, textAt, type Fields } from './json.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import { admitEvent, admitLease } from './record-rules.ts'
import { invalidValue, required, type Cause } from './refusals.ts'
import { labelSelectorMatches } from './selectors.ts'

/** One draft on its way into the store; admission fills it in, in place. */
export type Admission = {
  /** By which it came in: two may lead to one kind. */
  readonly group: string
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

const podDefaults = (spec: Fields): void => {
  const { serviceAccountName } = spec
  const common = { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, dnsPolicy: 'ClusterFirst' }
  defaults(spec, { ...common, securityContext: {}, schedulerName: 'default-scheduler' })
  if (typeof serviceAccountName === 'string') defaults(spec, { serviceAccount: serviceAccountName })
  for (const container of [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')].filter(isFields)) {
    const isLatest = /(^|\/)[^/:]*(:latest)?$/.test(textAt(container, 'image'))
    defaults(container, { imagePullPolicy: isLatest ? 'Always' : 'IfNotPresent', resources: {} })
    defaults(container, { terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File' })
    for (const port of listAt(container, 'ports').filter(isFields)) defaults(port, { protocol: 'TCP' })
    for (const variable of listAt(container, 'env')) {
      const fieldRef = fieldsAt(variable, 'valueFrom', 'fieldRef')
      if (fieldRef['fieldPath'] !== undefined) defaults(fieldRef, { apiVersion: 'v1' })
    }
  }
}

const replicaSet: Rule = ({ draft, previous }) => {
  const spec = specOf(draft)
  defaults(spec, { replicas: 1 })
  podDefaults(fieldsAt(spec, 'template', 'spec'))
  const { selector, replicas } = spec
  const labels = fieldsAt(spec, 'template', 'metadata', 'labels') as Record<string, string>
  if (!isFields(selector)) return [required('spec.selector')]
  if (!labelSelectorMatches(selector, labels))
    return [invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')]
  if (previous !== undefined && !equal(fieldsAt(previous, 'spec')['selector'], selector))
    return [invalidValue('spec.selector', selector, 'field is immutable')]
  const countable = Number.isInteger(replicas) && Number(replicas) >= 0
  return countable ? [] : [invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0')]
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
  const conditions = [{ type: 'PodScheduled', status: 'True', lastTransitionTime: now }]
  if (previous === undefined) draft['status'] = { phase: 'Pending', qosClass: 'BestEffort', conditions }
  return listAt(spec, 'containers').length > 0 ? [] : [required('spec.containers')]
}

const service: Rule = ({ draft, previous, clusterIp }) => {
  const spec = specOf(draft)
  const { clusterIP: before } = fieldsAt(previous, 'spec')
  defaults(spec, { type: 'ClusterIP', sessionAffinity: 'None', internalTrafficPolicy: 'Cluster' })
  if (spec['type'] !== 'ExternalName') {
    spec['clusterIP'] ??= before ?? clusterIp()
    defaults(spec, { clusterIPs: [spec['clusterIP']], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
  }
  for (const port of listAt(spec, 'ports').filter(isFields)) defaults(port, { protocol: 'TCP', targetPort: port['port'] })
  if (previous === undefined) draft['status'] = { loadBalancer: {} }
  const moved = before !== undefined && spec['clusterIP'] !== before
  return moved ? [invalidValue('spec.clusterIPs[0]', [spec['clusterIP']], 'may not change once set')] : []
}

/** Of a ConfigMap or Secret that says so nothing changes any more. */
const config: Rule = ({ draft, previous }) => {
  const { stringData, ...kept } = draft
  const encoded = Object.entries(isFields(stringData) ? stringData : {}).map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')])
  if (encoded.length > 0) Object.assign(draft, { data: { ...fieldsAt(kept, 'data'), ...Object.fromEntries(encoded) }, stringData: undefined })
  if (draft.kind === 'Secret') defaults(draft, { type: 'Opaque' })
  const changed = previous?.['immutable'] === true ? ['data', 'binaryData', 'immutable'].filter((field) => !equal(previous[field], draft[field])) : []
  return changed.map((field) => ({ field, message: 'Forbidden: field is immutable when `immutable` is set', reason: 'FieldValueForbidden' }))
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
  configmaps: config,
  secrets: config,
  'deployments.apps': deployment,
  'replicasets.apps': replicaSet,
  events: admitEvent,
  'leases.coordination.k8s.io': admitLease,
  [crds]: ({ draft, now }) => admitCrd(draft, now),
}

/** Fills in a built-in object's defaults in place, and returns what is wrong with it. */
export const admitBuiltIn = (resource: ResourceName, admission: Admission): readonly Cause[] => rules[resource]?.(admission) ?? []
