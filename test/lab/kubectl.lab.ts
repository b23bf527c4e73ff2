import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { openStage } from '../../src/demo/stage.ts'
import { resources } from '../../src/kubernetes/resource.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { kubeconfig as sandboxKubeconfig } from '../../src/sandbox/kubeconfig.ts'
import { actionCrd, crd } from '../harness.ts'
import { kubeconfig } from './control-plane.ts'
import { end, kubectlWith, play, playOnReal, type Server, type Transcript } from './kubectl-sessions.ts'
import { type OperatorProcess, type RunningLoad, Suite } from './suite.ts'

const HOST = 'shop.example'
const RPS = 30

const suite = new Suite()
const { info, objects } = suite
const binary = info.binaries['kubectl'] ?? ''
const stop = new AbortController()
const ending: (() => Promise<unknown>)[] = []

function kubectlAt(name: string, config: string): ReturnType<typeof kubectlWith> {
  const home = mkdtempSync(join(info.directory, `kubectl-${name}-`))
  const path = join(home, 'kubeconfig')
  writeFileSync(path, config)
  return kubectlWith({ binary, kubeconfig: path, home })
}

/** The example's Canary with quicker steps, and the same with another wait. */
function manifests(): Pick<Server, 'canary' | 'changed'> {
  const example = parse(readFileSync('examples/happy-istio/canary.yaml', 'utf8')) as { spec: { analysis: object } }
  const steps = [{ name: 'mirror', mirror: {}, for: '1s', minRequests: 10 }, { name: 'half', weight: 50, for: '1s', minRequests: 10 }]
  const spec = { ...example.spec, steps, analysis: { ...example.spec.analysis, metrics: [{ name: 'error-rate', max: '1%' }] } }
  const written = (name: string, object: object) => {
    const path = join(info.directory, `${name}.yaml`)
    writeFileSync(path, stringify(object))
    return path
  }
  return { canary: written('canary', { ...example, spec }), changed: written('changed', { ...example, spec: { ...spec, scaleDownDelay: { previous: '4s' } } }) }
}

/** What `npm run sandbox` keeps running. */
async function sandbox(): Promise<Server> {
  const stage = await openStage(systemClock, stop.signal)
  ending.push(() => stage.close())
  for (const definition of [crd(), actionCrd()]) await stage.client.create(resources.customResourceDefinitions, definition, stop.signal)
  return {
    name: 'sandbox',
    ...manifests(),
    ...kubectlAt('sandbox', sandboxKubeconfig(stage.url)),
    startUsers: async () => {
      const load = stage.startLoad(HOST, RPS, stop.signal)
      await stage.until('an answer', () => load.total().sent > 0)
    },
    startOperator: async () => stage.startOperator(() => undefined),
  }
}

function lab(): Server {
  let operator: OperatorProcess | undefined
  let users: RunningLoad | undefined
  ending.push(async () => {
    operator?.kill('SIGTERM')
    await Promise.all([operator?.ended, users?.stop()])
  })
  return {
    name: 'lab',
    ...manifests(),
    ...kubectlAt('lab', kubeconfig(info.apiServer, info.ca, info.token)),
    startUsers: async () => {
      const gateway = await objects.podAddress('istio-system', 'istio=ingressgateway')
      const load = suite.startLoad({ url: `http://${gateway}:8080/`, headers: { host: HOST }, rps: RPS, ms: 600_000 })
      users = load
      await objects.until('an answer', () => Promise.resolve(load.answers.find(({ status }) => status === 200)))
    },
    startOperator: async () => {
      operator = await suite.startOperator({ 'watch-namespaces': 'istioinaction' })
    },
  }
}

const said: Record<Server['name'], Transcript> = { sandbox: {}, lab: {} }
const onReal: Transcript = {}

beforeAll(async () => {
  await objects.until('what another suite declared to go', async () => {
    const [{ status }, canaries] = await Promise.all([objects.call('GET', '/api/v1/namespaces/istioinaction'), objects.list('serin.dev/v1beta1/canaries')])
    return status === 404 && canaries?.length === 0 ? true : undefined
  }, 60_000)
  const servers = { sandbox: await sandbox(), lab: lab() }
  await Promise.all(Object.values(servers).map((server) => play(server, said[server.name])))
  await playOnReal(servers.lab, onReal)
  await Promise.all(Object.values(servers).map((server) => end(server, said[server.name])))
}, 300_000)

afterAll(async () => {
  stop.abort(new Error('the suite is over'))
  await Promise.all(ending.map((each) => each()))
  await objects.discard('istioinaction')
})

const one = (kind: string, name: string, what: string) => new RegExp(`^${kind}/${name} ${what}$`, 'm')
const refused = (code: string, what = '') => new RegExp(`^1: (error: |Error from server \\(${code}\\): |The Canary "service-c" is invalid: ?\\n?).*${what}`)

/** What each command of the session shows, in part; all of it is the same on both servers but where DIFFERENCES says so. */
const SHAPES: Readonly<Record<string, RegExp>> = {
  'apply a namespace': /^namespace\/istioinaction created$/,
  'apply services': one('deployment.apps', 'service-c-v1', 'created'),
  'apply them again': one('deployment.apps', 'service-c-v1', 'unchanged'),
  'wait for a condition': one('deployment.apps', 'service-c-v1', 'condition met'),
  'rollout status': /^deployment "service-a" successfully rolled out$/,
  'apply a Canary': one('canary.serin.dev', 'service-c', 'created'),
  'wait for a JSON path': one('canary.serin.dev', 'service-c', 'condition met'),
  'apply a faulty version': one('deployment.apps', 'service-c-v2', 'created'),
  'wait for the failure': one('canary.serin.dev', 'service-c', 'condition met'),
  'wait for the end of the rollback': one('canary.serin.dev', 'service-c', 'condition met'),
  'get canaries of all namespaces': /^NAMESPACE NAME PHASE STEP WEIGHT STABLE CANARY MESSAGE AGE\nistioinaction service-c Failed 0% v1 v2 failed: .* AGE$/,
  'get by short name and category': /^NAME PHASE .*\ncanary\.serin\.dev\/service-c Failed/,
  'get a JSON path': /^Failed v2 Hold$/,
  'get names': /^virtualservice\.networking\.istio\.io\/serin-service-c$/m,
  'get custom columns': /^NAME STABLE\nservice-c v1$/,
  'get by label': /^deployment\.apps\/service-c-v1\ndeployment\.apps\/service-c-v2$/,
  'get deployments': /^NAME READY UP-TO-DATE AVAILABLE AGE\nservice-a 1\/1 1 1 AGE$/m,
  'get services': /^service-c ClusterIP ADDRESS <none> 80\/TCP AGE$/m,
  'get pods': /^NAME READY STATUS RESTARTS AGE\nservice-a-POD 1\/1 Running 0 AGE$/,
  'get replicasets': /^NAME DESIRED CURRENT READY AGE\nservice-a-HASH 1 1 1 AGE$/,
  'get virtualservices': /^NAME GATEWAYS HOSTS AGE\nserin-service-c /,
  'get destinationrules': /^NAME HOST AGE\nserin-service-c service-c\.istioinaction\.svc\.cluster\.local AGE$/,
  'get endpointslices': /^NAME ADDRESSTYPE PORTS ENDPOINTS AGE\nservice-a-\w+ IPv4 8080 ADDRESS AGE$/,
  'get what is not there': /^1: Error from server \(NotFound\): canaries\.serin\.dev "nobody" not found$/,
  'describe a Canary': /^Status:\n[^]*Reason: ErrorRate[^]*^Events:\n[^]*Warning RolledBack AGE serin\.dev\/operator v2 rolled back/m,
  'describe a Deployment': /^Replicas: 1 desired \| 1 updated \| 1 total \| 1 available \| 0 unavailable$/m,
  'describe a Service': /^Endpoints: ADDRESS:8080$/m,
  'api-resources': /^canaries scn serin\.dev\/v1beta1 true Canary\ncanaryactions serin\.dev\/v1beta1 true CanaryAction$/,
  'patch with a wrong type': refused('Invalid', '[^]*spec.suspend: Invalid value: "string": spec.suspend in body must be of type boolean'),
  'patch with an unknown value': refused('Invalid', '[^]*spec.analysis.noData: Unsupported value: "Perhaps": supported values: "Hold", "Pass", "Fail"'),
  'patch with a wrong pattern': refused('Invalid', '[^]*spec.progressDeadline'),
  'patch strategically': refused('', 'application/strategic-merge-patch\\+json is not supported'),
  'patch with a failing test': /^1: The request is invalid/,
  'patch with a stale version': refused('Conflict', 'Operation cannot be fulfilled on canaries.serin.dev "service-c"'),
  'patch with an unknown field': /^canary\.serin\.dev\/service-c patched \(no change\)\nWarning: unknown field "spec\.unheardOf"$/,
  'delete what is not there': refused('NotFound', 'canaries.serin.dev "nobody" not found'),
  'scale what has no scale': refused('NotFound'),
  'patch by merge': one('canary.serin.dev', 'service-c', 'patched'),
  'patch by merge, again': one('canary.serin.dev', 'service-c', 'patched \\(no change\\)'),
  'patch by JSON Patch': one('canary.serin.dev', 'service-c', 'patched'),
  label: one('canary.serin.dev', 'service-c', 'labeled'),
  annotate: one('canary.serin.dev', 'service-c', 'annotated'),
  scale: one('deployment.apps', 'service-b', 'scaled'),
  'rollout status of what was scaled': /^deployment "service-b" successfully rolled out$/,
  'scale in vain': /^1: error: Expected replicas to be 5, was 2$/,
  'patch strategically where that works': one('deployment.apps', 'service-b', 'patched'),
  'apply a good version': one('deployment.apps', 'service-c-v4', 'created'),
  'wait in CI until it is seen': one('canary.serin.dev', 'service-c', 'condition met'),
  'read in CI what it came to': /^(Unknown|True)$/,
  'wait in CI until it is stable': one('canary.serin.dev', 'service-c', 'condition met'),
  'read in CI what generation was seen': /^\d+$/,
  'wait for the promotion': one('canary.serin.dev', 'service-c', 'condition met'),
  'wait for Promoted': one('canary.serin.dev', 'service-c', 'condition met'),
  'get -w': /^Idle( Waiting)? Progressing( RollingBack)? Failed( Waiting)? Progressing( Promoting)? Idle$/,
  'get what is promoted': /^NAME PHASE .*\nservice-c Idle 0% v4 v4 serves AGE$/,
  'wait for the old version to be scaled down': one('deployment.apps', 'service-c-v1', 'condition met'),
  'get events': /^AGE Normal Promoted canary\/service-c v4 is stable/m,
  'delete a Canary': /^canary\.serin\.dev "service-c" deleted/,
  'wait for its deletion': /^(canary\.serin\.dev\/service-c condition met)?$/,
  'delete by file': /^deployment\.apps "service-c-v2" deleted/,
  'delete a namespace': /^namespace "istioinaction" deleted$/,
  'get in a namespace that has gone': /^No resources found in istioinaction namespace\.$/,
}

/** What the sandbox says instead, and why. */
const DIFFERENCES: Readonly<Record<string, readonly [reason: string, shape: RegExp]>> = {
  'get endpointslices': ['its tables of EndpointSlices have no columns of their own', /^NAME AGE\nservice-a-\w+ AGE$/],
  'describe a Deployment': ['its Deployments have no revisions and no events', /^Annotations: <none>$[^]*^Events: <none>$/m],
  'patch with a wrong type': ['it runs no CEL rules, so that none is left out', /: spec\.suspend: [^\n]*$/],
  'patch with an unknown value': ['it runs no CEL rules, so that none is left out', /: spec\.analysis\.noData: [^\n]*$/],
  'patch with a wrong pattern': ['it has words of its own for patterns, and runs no CEL rules', /: spec\.progressDeadline: [^\n]* must match pattern [^\n]*$/],
  'patch strategically': ['it takes no server-side apply, and says so', /application\/merge-patch\+json$/],
}

/** What depends on the moment at which somebody looks. */
const BY_CHANCE = ['get -w', 'read in CI what it came to', 'read in CI what generation was seen']

describe('real kubectl sees the same on the sandbox and on a real server', () => {
  test('of all that was asked', () => {
    expect(Object.keys(said.lab).toSorted()).toEqual(Object.keys(SHAPES).toSorted())
    expect(Object.keys(said.sandbox).toSorted()).toEqual(Object.keys(SHAPES).toSorted())
    expect(Object.keys(DIFFERENCES).filter((name) => SHAPES[name] === undefined)).toEqual([])
  })

  test.each(Object.entries(SHAPES))('%s', (name, shape) => {
    const [lab, sandbox] = [said.lab[name] ?? '', said.sandbox[name] ?? '']
    expect(lab).toMatch(shape)
    const [reason, other] = DIFFERENCES[name] ?? []
    if (other === undefined && !BY_CHANCE.includes(name)) expect(sandbox).toBe(lab)
    else expect(sandbox, reason).toMatch(other ?? shape)
    if (other !== undefined) expect(sandbox, `no difference any more: ${reason ?? ''}`).not.toBe(lab)
  })
})

describe('on a real server, kubectl', () => {
  test.each<[string, RegExp]>([
    ['events', /Warning RolledBack Canary\/service-c v2 rolled back: error-rate 100%[^]*Normal Promoted Canary\/service-c v4 is stable/],
    ['explain', /^FIELD: steps <\[\]Object>[^]*^ *weight\t<[^>]*>\n *Share of the requests that goes to the canary\. Assumed: 0\.$/m],
    ['auth can-i', /^yes$/],
    ['auth can-i of somebody else', /^1: no$/],
    ['diff of nothing', /^$/],
    ['diff', /^1: [^]*^- *previous: 3s\n\+ *previous: 4s$/m],
    ['scale a Canary of versions', /^1: The Canary "service-c" is invalid: [^]*are only for targetRef/],
    ['apply --server-side', /^canary\.serin\.dev\/service-c serverside-applied$/],
    ['apply --server-side against another', /Apply failed with \d+ conflicts?: conflicts? with "kubectl[^]*\.spec\.scaleDownDelay\.previous/],
    ['wait for a failure that does not come', /^1: error: timed out waiting for the condition on canaries\/service-c$/],
  ])('%s', (name, shape) => {
    expect(onReal[name]).toMatch(shape)
  })
})
