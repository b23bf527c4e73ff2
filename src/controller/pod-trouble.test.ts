import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../runtime/object.ts'
import { prunePod } from './prune.ts'
import { troubleOfPod, troubleOfWorkload } from './pod-trouble.ts'

const pod = (status: object): KubeObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-6d-x', uid: 'u', resourceVersion: '1' }, status }) as KubeObject
const containers = (...containerStatuses: object[]) => pod({ containerStatuses })
const waiting = (reason: string, message?: string, more: object = {}) => ({ name: 'app', ready: false, state: { waiting: { reason, message } }, ...more })
const sidecar = { name: 'istio-proxy', ready: false, started: true, restartCount: 0, state: { running: {} } }

describe('why a pod is not ready', () => {
  // As the scheduler and the kubelet write them.
  it.each<[string, KubeObject, string | undefined]>([
    ['nothing is known yet', pod({ phase: 'Pending' }), undefined],
    ['it is ready', containers({ name: 'app', ready: true, started: true, restartCount: 0, state: { running: {} } }), undefined],
    ['it is being made', containers(waiting('ContainerCreating'), waiting('PodInitializing')), undefined],
    ['no node takes it', pod({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available: 3 Insufficient cpu.' }] }), 'Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.'],
    ['it crashes', containers(waiting('CrashLoopBackOff', 'back-off 40s restarting failed container=app pod=web-6d-x_shop(0f2c)', { restartCount: 3, lastState: { terminated: { exitCode: 1, reason: 'Error' } } })), 'container app CrashLoopBackOff: back-off 40s restarting failed container; last exit 1'],
    ['it has just crashed', containers({ name: 'app', ready: false, restartCount: 0, state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } }), 'container app has ended: OOMKilled; last exit 137'],
    ['it was started again', containers({ name: 'app', ready: false, started: true, restartCount: 2, state: { running: {} }, lastState: { terminated: { exitCode: 2 } } }), 'container app runs, but its readiness probe has not passed, after 2 restarts; last exit 2'],
    ['its startup probe fails', containers({ name: 'app', ready: false, started: false, restartCount: 0, state: { running: {} } }), 'container app has not started: its startup probe has not passed'],
    ['its image is missing', containers(waiting('ErrImagePull', 'manifest for web:v9 not found')), 'container app ErrImagePull: manifest for web:v9 not found'],
    ['its config is missing', containers(waiting('CreateContainerConfigError', 'configmap "web" not found')), 'container app CreateContainerConfigError: configmap "web" not found'],
    ['its sidecar waits for it', containers(sidecar, waiting('CrashLoopBackOff', 'back-off 10s restarting failed container=app pod=a_b(c)')), 'container app CrashLoopBackOff: back-off 10s restarting failed container'],
    ['an init container fails', pod({ initContainerStatuses: [waiting('CrashLoopBackOff', undefined, { name: 'migrate', lastState: { terminated: { exitCode: 3 } } })], containerStatuses: [waiting('PodInitializing')] }), 'container migrate CrashLoopBackOff; last exit 3'],
  ])('where %s', (_why, object, said) => {
    expect(troubleOfPod(object)).toBe(said)
  })

  it('is short, whoever says it', () => {
    expect(troubleOfPod(containers(waiting('ErrImagePull', 'x'.repeat(5000))))?.length).toBeLessThan(200)
  })

  it('is kept of a pod in the cache only while it is not ready', () => {
    const status = { containerStatuses: [waiting('ErrImagePull')] }
    expect(prunePod(pod(status))['trouble']).toBe('container app ErrImagePull')
    expect(Object.keys(prunePod(pod({ ...status, conditions: [{ type: 'Ready', status: 'True' }] })))).not.toContain('trouble')
  })
})

describe('why a Deployment has too few pods', () => {
  const deployment = (...conditions: object[]) => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, status: { conditions } }) as unknown as KubeObject
  const said = (trouble: string) => ({ ...pod({}), trouble }) as KubeObject

  it('is what refuses them, then what each pod says, once', () => {
    const quota = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'pods "web-1" is forbidden: exceeded quota' }
    expect(troubleOfWorkload(deployment(quota), [said('a'), said('a'), said('b')])).toBe('FailedCreate: pods "web-1" is forbidden: exceeded quota; a')
    expect(troubleOfWorkload(deployment({ ...quota, status: 'False' }), [said('a'), said('a'), said('b')])).toBe('a; b')
    expect(troubleOfWorkload(deployment(), [])).toBeUndefined()
  })
})
