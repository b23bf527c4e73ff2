import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { openStage } from '../../src/demo/stage.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { kubeconfig as sandboxKubeconfig } from '../../src/sandbox/kubeconfig.ts'
import { kubeconfig } from './control-plane.ts'
import { end, kubectlWith, play, type Server } from './kubectl-sessions.ts'
import { type OperatorProcess, type RunningLoad, Suite } from './suite.ts'

const HOST = 'shop.example'
const RPS = 30

const suite = new Suite()
const { info, objects } = suite
const binary = info.binaries['kubectl'] ?? ''
const stop = new AbortController()
const ending: (() => Promise<unknown>)[] = []

function kubectlAt(name: string, config: string): Server['kubectl'] {
  const home = mkdtempSync(join(info.directory, `kubectl-${name}-`))
  const path = join(home, 'kubeconfig')
  writeFileSync(path, config)
  return kubectlWith({ binary, kubeconfig: path, home })
}

/** The example's Canary, with fewer requests to wait for. */
function quickCanary(): string {
  const path = join(info.directory, 'quick-canary.yaml')
  const canary = parse(readFileSync('examples/happy-istio/canary.yaml', 'utf8')) as { spec: object }
  const steps = [{ name: 'mirror', mirror: {}, for: '1s', minRequests: 10 }, { name: 'half', weight: 50, for: '1s', minRequests: 10 }]
  writeFileSync(path, stringify({ ...canary, spec: { ...canary.spec, steps } }))
  return path
}

/** What `npm run sandbox` keeps running. */
async function sandbox(): Promise<Server> {
  const stage = await openStage(systemClock, stop.signal)
  ending.push(() => stage.close())
  const { canaryCrd } = await import('../../src/api/crd.ts')
  const { resources } = await import('../../src/kubernetes/resource.ts')
  await stage.client.create(resources.customResourceDefinitions, canaryCrd() as never, stop.signal)
  return {
    name: 'sandbox',
    canary: quickCanary(),
    kubectl: kubectlAt('sandbox', sandboxKubeconfig(stage.url)),
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
    canary: quickCanary(),
    kubectl: kubectlAt('lab', kubeconfig(info.apiServer, info.ca, info.token)),
    startUsers: async () => {
      const gateway = await objects.podAddress('istio-system', 'istio=ingressgateway')
      const load = suite.startLoad({ url: `http://${gateway}:8080/`, headers: { host: HOST }, rps: RPS, ms: 600_000 })
      users = load
      await objects.until('an answer', () => Promise.resolve(load.answers.find(({ status }) => status === 200)))
    },
    startOperator: async () => {
      operator = await suite.startOperator({ namespace: 'istioinaction' })
    },
  }
}

const said: Record<Server['name'], Record<string, string>> = { sandbox: {}, lab: {} }
let real: Server

beforeAll(async () => {
  const stand = await sandbox()
  real = lab()
  await Promise.all([stand, real].map(async (server) => play(server, said[server.name])))
}, 400_000)

afterAll(async () => {
  if (process.env['SERIN_TEST_LOG'] === '1') for (const name of Object.keys(said.lab)) process.stderr.write(`=== ${name}\n${said.lab[name]}\n${said.lab[name] === said.sandbox[name] ? '' : `--- sandbox\n${said.sandbox[name]}\n`}`)
  stop.abort(new Error('the suite is over'))
  await Promise.all(ending.map((each) => each()))
  await objects.call('DELETE', '/api/v1/namespaces/istioinaction')
})

test('x', () => { expect(end).toBeDefined() })
describe('y', () => { test('z', () => undefined) })
