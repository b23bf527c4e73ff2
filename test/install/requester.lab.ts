import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { approveCommand } from '../../src/canary/people.ts'
import { kubeconfig } from '../lab/control-plane.ts'
import { manifestsOf } from './rendered.ts'

const root = new URL('../../', import.meta.url)
const NAMESPACE = 'requesters'
const place = mkdtempSync(join(tmpdir(), 'serin-requesters-'))
const config = join(place, 'kubeconfig')

const lab = () => {
  const info = inject('lab')
  if (info === undefined) throw new Error('this suite needs the lab: npm run test:lab')
  return info
}

type Ran = { readonly status: number | null; readonly text: string }

const run = (command: string, args: readonly string[], input = ''): Ran => {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', input, cwd: root, env: { HOME: place, KUBECONFIG: config, PATH: `${place}:${process.env['PATH'] ?? ''}` } })
  return { status, text: `${stdout}${stderr}` }
}
const kubectl = (args: readonly string[], objects: readonly object[] = []): Ran =>
  run(join(place, 'kubectl'), args, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))

function must({ status, text }: Ran): string {
  if (status !== 0) throw new Error(text)
  return text
}

/** Somebody creates an action in a name. */
const create = (user: string, requester: string, spec: object = {}): Ran => {
  const object = { apiVersion: 'serin.dev/v1beta1', kind: 'CanaryAction', metadata: { generateName: 'x-', namespace: NAMESPACE }, spec: { canaryRef: { name: 'web' }, action: 'Pause', requester, ...spec } }
  return run(join(place, 'kubectl'), ['create', '--as', user, '--output', 'name', '--filename', '-'], JSON.stringify(object))
}

/** What the chart makes of it, and the right for ada alone. */
const ours = manifestsOf(readFileSync(new URL('charts/install.yaml', root), 'utf8'))
  .filter(({ kind, metadata }) => kind.startsWith('ValidatingAdmissionPolicy') || metadata.name === 'serin-approver')
const binding = {
  apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: 'approvers', namespace: NAMESPACE },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'serin-approver' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'ada' }],
}

beforeAll(async () => {
  const { apiServer, ca, token, binaries } = lab()
  writeFileSync(config, kubeconfig(apiServer, ca, token))
  writeFileSync(join(place, 'kubectl'), `#!/bin/sh\nexec ${binaries['kubectl'] ?? 'kubectl'} "$@"\n`, { mode: 0o755 })
  must(kubectl(['create', 'namespace', NAMESPACE]))
  must(kubectl(['apply', '--filename', 'crds/serin.dev_canaryactions.yaml', '--filename', 'crds/serin.dev_canaries.yaml']))
  must(kubectl(['wait', '--for=condition=Established', 'crd/canaryactions.serin.dev', 'crd/canaries.serin.dev', '--timeout=30s']))
  must(kubectl(['apply', '--filename', '-'], [...ours, binding]))
  // A policy holds once the API server's own watch has brought it.
  for (let tries = 0; create('ada', 'grace').status === 0; tries++) {
    if (tries > 100) throw new Error('the policy does not hold')
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}, 120_000)
afterAll(() => {
  kubectl(['delete', '--ignore-not-found', '--wait=false', '--filename', '-'], ours)
  kubectl(['delete', 'namespace', NAMESPACE, '--wait=false'])
  rmSync(place, { recursive: true, force: true })
})

describe('a CanaryAction on the real API server', () => {
  it('is created by whoever may approve, in their own name alone', () => {
    expect(create('ada', 'ada')).toMatchObject({ status: 0, text: expect.stringContaining('canaryaction.serin.dev/x-') as string })
    const { status, text } = create('ada', 'grace')
    expect(status).not.toBe(0)
    expect(text).toContain('spec.requester: must be the name that the API server knows you by, ada')
  })

  it('is created by nobody else, and whoever may approve may do nothing more', () => {
    expect(create('grace', 'grace').text).toContain('cannot create resource "canaryactions"')
    const may = (verb: string, resource: string) => kubectl(['auth', 'can-i', verb, resource, '--as', 'ada', '--namespace', NAMESPACE]).text.trim()
    expect(may('create', 'canaryactions.serin.dev')).toBe('yes')
    for (const [verb, resource] of [['patch', 'canaryactions.serin.dev'], ['delete', 'canaryactions.serin.dev'], ['patch', 'canaryactions.serin.dev/status'], ['create', 'canaries.serin.dev'], ['patch', 'canaries.serin.dev']] as const)
      expect(may(verb, resource), `${verb} ${resource}`).toBe('no')
  })

  it.each([
    ['Abort', {}, 'write the revision that is meant'],
    ['Pause', { step: 'few' }, 'is only for Approve and Skip'],
    ['Pause', { expiresAfter: '200h' }, 'must be between 1s and 168h'],
    ['Undo', {}, 'Unsupported value: "Undo"'],
  ])('is refused where it makes no sense: %s %o', (action, spec, words) => {
    const { status, text } = create('ada', 'ada', { action, ...spec })
    expect(status).not.toBe(0)
    expect(text).toContain(words)
  })

  it('never changes', () => {
    const name = must(create('ada', 'ada')).trim()
    const { status, text } = kubectl(['patch', name, '--namespace', NAMESPACE, '--type', 'merge', '--patch', '{"spec":{"action":"Resume"}}'])
    expect(status).not.toBe(0)
    expect(text).toContain('cannot change: create another CanaryAction')
  })

  it('comes of the very command that a Canary asks for', () => {
    const command = approveCommand({ namespace: NAMESPACE, name: 'web' }, { action: 'Approve', revision: 'v2', step: 'few' })
    const name = must(run('sh', ['-c', `${command} --output name`])).trim()
    const spec = JSON.parse(must(kubectl(['get', name, '--namespace', NAMESPACE, '--output', 'jsonpath={.spec}']))) as object
    expect(spec).toEqual({ canaryRef: { name: 'web' }, action: 'Approve', revision: 'v2', step: 'few', requester: 'admin', expiresAfter: '1h' })
  })
})
