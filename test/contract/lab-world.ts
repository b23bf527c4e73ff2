import { randomUUID } from 'node:crypto'
import { nodeTransport } from '../../src/kubernetes/transport.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import { listAt, textAt } from '../../src/sandbox/json.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { isReady, workloadOf } from '../../src/sandbox/route-pods.ts'
import { CONTROL_PORT, type CallAnswer, type LabInfo, type LoadAnswer } from '../lab/lab-info.ts'
import { policiesOfEnvoy } from './cluster-policy.ts'
import type { Answer, Caller, Ground, Load, Request, Response } from './ground.ts'

/** Port on which the ingress gateway's Envoy takes plain HTTP. */
const GATEWAY_PORT = 8080
/** Envoy's own pages, on the loopback of its pod. */
const ADMIN = '127.0.0.1:15000'
const ADMIN_TIMEOUT_MS = 10_000

/** The lab's own API server, mesh and Prometheus, in real time. */
export function labGround(lab: LabInfo): Ground {
  const clock = systemClock
  const http = (baseUrl: string): Transport => nodeTransport({ baseUrl, clock })
  const kubernetes = nodeTransport({
    baseUrl: lab.apiServer,
    clock,
    headers: () => Promise.resolve({ authorization: `Bearer ${lab.token}` }),
    tls: () => Promise.resolve({ ca: lab.ca, servername: 'kubernetes.default.svc' }),
  })
  const namespace = `contract-${randomUUID().slice(0, 8)}`

  const pods = async (home: string, selector = ''): Promise<readonly KubeObject[]> => {
    const answer = await kubernetes({ method: 'GET', path: `/api/v1/namespaces/${home}/pods?labelSelector=${encodeURIComponent(selector)}`, timeoutMs: 5000 })
    return (listAt(JSON.parse(await answer.text()), 'items') as readonly KubeObject[]).filter(isReady)
  }
  const addressOf = async (from: Caller): Promise<string> => {
    const home = from === 'gateway' ? 'istio-system' : (from.namespace ?? `${namespace}-callers`)
    const [pod] = from === 'gateway' ? await pods(home, 'istio=ingressgateway') : (await pods(home)).filter((each) => workloadOf(each).workload === from.deployment)
    if (pod === undefined) throw new Error(`no ready pod in ${home} of ${JSON.stringify(from)}`)
    return textAt(pod, 'status', 'podIP')
  }
  const control = async (address: string, path: string, wanted: object, timeoutMs: number) => {
    const answer = await http(`http://${address}:${CONTROL_PORT}`)({ method: 'POST', path, body: JSON.stringify(wanted), timeoutMs })
    if (answer.status !== 200) throw new Error(`${path} of ${address}: ${answer.status} ${await answer.text()}`)
    return answer
  }
  /** Of the Envoy beside the caller. */
  const admin = async (from: Caller, path: string, method: string): Promise<string> => {
    const answer = await control(await addressOf(from), '/call', callOf({ host: ADMIN, path, method }), ADMIN_TIMEOUT_MS)
    const { status, body } = responseOf(JSON.parse(await answer.text()) as CallAnswer)
    if (status !== 200) throw new Error(`${path} of Envoy: ${status} ${body}`)
    return body
  }
  return {
    kind: 'lab',
    kubernetes,
    prometheus: http(lab.prometheus),
    namespace,
    clock,
    now: clock.now,
    sleep: clock.sleep,
    request: async (from, request) => {
      const address = await addressOf(from)
      if (from === 'gateway') return outside(http(`http://${address}:${GATEWAY_PORT}`), request)
      const answer = await control(address, '/call', callOf(request), deadlineOf(request) + 5000)
      return responseOf(JSON.parse(await answer.text()) as CallAnswer)
    },
    load: async (from, { rps, ms, ...request }) => {
      const address = await addressOf(from)
      if (from === 'gateway') return outsideLoad(http(`http://${address}:${GATEWAY_PORT}`), { rps, ms, ...request })
      const answers: Answer[] = []
      const answered = await control(address, '/load', { ...callOf(request), rps, ms }, ms + deadlineOf(request))
      for await (const line of answered.lines()) if (line !== '') answers.push(answerOf(JSON.parse(line) as LoadAnswer))
      return answers
    },
    policies: async (from, host) => {
      const names = encodeURIComponent(`outbound\\|80\\|.*\\|${host.replaceAll('.', '\\.')}`)
      return policiesOfEnvoy(JSON.parse(await admin(from, `/config_dump?resource=dynamic_active_clusters&name_regex=${names}`, 'GET')))
    },
    resetCounters: async (from) => void (await admin(from, '/reset_counters', 'POST')),
    end: () => undefined,
  }
}

const deadlineOf = ({ timeoutMs = 10_000 }: Request): number => timeoutMs

const callOf = ({ host, method = 'GET', path = '/', headers = {}, ...request }: Request) => ({ url: `http://${host}${path}`, method, headers, timeoutMs: deadlineOf({ host, ...request }) })

const responseOf = (answer: CallAnswer): Response => ('error' in answer ? { status: 0, headers: {}, body: answer.error } : answer)

const answerOf = ({ at, ms, status, version }: LoadAnswer): Answer => ({ at, ms, version, status: typeof status === 'number' ? status : 0 })

async function outside(gateway: Transport, { host, method = 'GET', path = '/', headers = {}, ...rest }: Request): Promise<Response> {
  try {
    const timeoutMs = deadlineOf({ host, ...rest })
    const answer = await gateway({ method: method as 'GET', path, headers: { ...headers, host }, timeoutMs })
    return { status: answer.status, headers: answer.headers, body: await answer.text() }
  } catch (error) {
    return { status: 0, headers: {}, body: String(error) }
  }
}

async function outsideLoad(gateway: Transport, { rps, ms, ...request }: Load): Promise<readonly Answer[]> {
  const answers: Promise<Answer>[] = []
  const startMs = systemClock.monotonic()
  for (let sent = 0; sent < Math.ceil((rps * ms) / 1000); sent++) {
    await systemClock.sleep(Math.max(0, startMs + (sent * 1000) / rps - systemClock.monotonic()))
    const [at, sentMs] = [systemClock.now(), systemClock.monotonic()]
    answers.push(outside(gateway, request).then(({ status, headers }) => ({ at, ms: systemClock.monotonic() - sentMs, status, version: headers['x-version'] ?? '' })))
  }
  return Promise.all(answers)
}
