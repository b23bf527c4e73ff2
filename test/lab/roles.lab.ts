import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AuditEvent, askedOfAudit, compare } from '../install/rules.ts'
import { kubeconfig } from './control-plane.ts'
import { QUICK } from './rollouts.ts'
import { Shop } from './shop.ts'
import { Suite } from './suite.ts'

const HOME = 'serin-roles'
const ACCOUNT = `system:serviceaccount:${HOME}:serin`
const LONG = { timeout: 600_000 }

const suite = new Suite()
const { objects, info } = suite
const shop = new Shop(suite, { namespace: 'roled', propagationMs: 500, rps: 40, spec: QUICK })
const elsewhere = new Shop(suite, { namespace: 'elsewhere', propagationMs: 500, rps: 4, spec: QUICK })
const config = join(info.directory, 'roles.kubeconfig')
const helm = (...args: readonly string[]) => promisify(execFile)(info.binaries['helm'] ?? '', args, { timeout: 120_000, env: { ...process.env, KUBECONFIG: config, HELM_CACHE_HOME: info.directory, HELM_CONFIG_HOME: info.directory, HELM_DATA_HOME: info.directory } })
const VALUES = { watchNamespaces: ['roled'], clusterRole: false, aggregateRoles: false, replicas: 1, crds: { install: false }, prometheus: { url: info.prometheus } }

const serves = (version: string) => shop.until(`${version} to serve`, ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === version)

/** What the operator's ServiceAccount asked for, by whether it was let. */
function asked(decision: 'allow' | 'forbid') {
  const events = readFileSync(join(info.directory, 'audit.log'), 'utf8').split('\n').filter((line) => line.includes(ACCOUNT)).map((line) => JSON.parse(line) as AuditEvent)
  return events.filter(({ user, annotations }) => user.username === ACCOUNT && annotations?.['authorization.k8s.io/decision'] === decision)
}

beforeAll(async () => {
  writeFileSync(config, kubeconfig(info.apiServer, info.ca, info.token))
  const values = join(info.directory, 'roles.json')
  writeFileSync(values, JSON.stringify(VALUES))
  await Promise.all([shop.open(), elsewhere.open(), objects.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: HOME } } as never)])
  await helm('upgrade', '--install', 'serin', 'charts/serin', '--namespace', HOME, '--values', values, '--take-ownership', '--wait', '--timeout', '90s')
})

afterAll(async () => {
  process.stderr.write(shop.summary())
  await helm('uninstall', 'serin', '--namespace', HOME)
  await Promise.all([shop.close(), elsewhere.close(), objects.call('DELETE', `/api/v1/namespaces/${HOME}`)])
})

test('with Roles in one namespace and no ClusterRole a good version is released there, and a bad one rolled back', LONG, async () => {
  await Promise.all([shop.declare(), elsewhere.declare()])
  await serves('v1')
  const good = await shop.deploy('none')
  await serves(good)
  const bad = await shop.deploy('everything')
  const { stableRevision } = await shop.until(`${bad} to have failed`, ({ phase, failed }) => phase === 'Failed' && failed?.revision === bad)
  expect(stableRevision).toBe(good)
})

test('nothing else was looked at, and nothing was written elsewhere', async () => {
  expect(await suite.status('elsewhere', 'shop')).toEqual({})
  expect(asked('allow').length).toBeGreaterThan(100)
  const spaces = new Set(asked('allow').map(({ objectRef }) => objectRef?.namespace ?? 'the cluster'))
  expect([...spaces].toSorted()).toEqual([HOME, 'roled'].toSorted())
})

test('what it may not see it asks for once, and goes on without', () => {
  const { denied } = compare([], asked('forbid').flatMap((event) => askedOfAudit(event) ?? []))
  expect(denied).toEqual([
    ...['canaries', 'canaryactions'].map((plural) => `get customresourcedefinitions.apiextensions.k8s.io ${plural}.serin.dev`),
    ...['destinationrules.networking.istio.io', 'httproutes.gateway.networking.k8s.io', 'virtualservices.networking.istio.io'].map((resource) => `list ${resource}`),
  ])
})

test('no answer was made by the mesh, and nobody met a version at another time than the routes said', () => {
  expect(shop.meshMade()).toEqual([])
  expect(shop.strays()).toEqual([])
})
