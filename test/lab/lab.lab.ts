import { execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, test } from 'vitest'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { call } from './calls.ts'

const run = promisify(execFile)
const ENTER = 'dist/lab/test/lab/enter.js'
const UP_MS = 15_000

const kubectl = inject('lab')?.binaries['kubectl'] ?? 'kubectl'

/** Processes here and in namespaces below, by the network namespace that they are in. */
function processes(): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      found[pid] = readlinkSync(`/proc/${pid}/ns/net`)
    } catch {
      continue
    }
  }
  return found
}

/** Dead ones that nobody has asked about do not count: here the first process is no init. */
function runs(pid: string): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

type Started = { readonly kubeconfig: string; readonly gateway: string; readonly end: (signal: NodeJS.Signals) => Promise<void> }

/** `npm run lab` within this one, up to its last line. */
async function startLab(...parameters: readonly string[]): Promise<Started> {
  const child = spawn(process.execPath, [ENTER, 'node', 'dist/lab/test/lab/main.js', ...parameters], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  for (const until = Date.now() + 60_000; !said.includes('Ctrl-C ends it'); await systemClock.sleep(50)) if (Date.now() > until) throw new Error(`the lab did not come up:\n${said}`)
  const found = (pattern: RegExp): string => pattern.exec(said)?.[1] ?? ''
  return {
    kubeconfig: found(/export KUBECONFIG=(\S+)/), gateway: found(/gateway +(\S+)/),
    end: async (signal) => {
      // A Ctrl-C reaches the whole foreground group; the rest is sent to one process.
      if (signal === 'SIGINT') process.kill(-(child.pid ?? 0), signal)
      else child.kill(signal)
      await ended
    },
  }
}

test.each<[string, NodeJS.Signals, readonly string[]]>([
  ['a Ctrl-C', 'SIGINT', []],
  ['kill', 'SIGTERM', ['--grade', 'plain']],
  ['kill -9', 'SIGKILL', ['--grade', 'plain']],
])('comes up for a kubectl outside, and after %s nothing of it is left', async (_, signal, parameters) => {
  const before = Object.keys(processes())
  const startedMs = Date.now()
  const lab = await startLab(...parameters)
  const upMs = Date.now() - startedMs
  process.stderr.write(`  up in ${(upMs / 1000).toFixed(1)} s ${parameters.join(' ')}\n`)
  const env = { ...process.env, KUBECONFIG: lab.kubeconfig }
  const applied = await run(kubectl, ['apply', '--filename', 'examples/happy-istio/namespace.yaml', ...['service-a', 'service-b', 'service-c-v1', 'gateway'].flatMap((name) => ['--filename', `examples/happy-istio/${name}.yaml`])], { env })
  expect(applied.stdout).toContain('deployment.apps/service-c-v1 created')
  await run(kubectl, ['wait', '--namespace', 'istioinaction', '--for=condition=Available', 'deployment', '--all', '--timeout=60s'], { env })
  for (const until = Date.now() + 20_000; ;) {
    const answer = await call({ url: lab.gateway, headers: { host: 'shop.example' } })
    if ('status' in answer && answer.status === 200) break
    if (Date.now() > until) throw new Error(`the gateway answers ${JSON.stringify(answer)}`)
    await systemClock.sleep(100)
  }
  const inside = Object.entries(processes()).filter(([pid]) => !before.includes(pid))
  expect(inside.length).toBeGreaterThan(15)
  await lab.end(signal)
  for (const until = Date.now() + 5000; Date.now() < until && inside.some(([pid]) => runs(pid)); await systemClock.sleep(50));
  expect(inside.filter(([pid]) => runs(pid)).map(([pid]) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))).toEqual([])
  const networks = new Set(inside.map(([, network]) => network))
  expect(Object.entries(processes()).filter(([pid, network]) => runs(pid) && networks.has(network) && network !== readlinkSync('/proc/self/ns/net'))).toEqual([])
  // After kill -9 its folder of logs stays.
  if (signal !== 'SIGKILL') expect(existsSync(dirname(lab.kubeconfig))).toBe(false)
  // With a second lab on the same two cores.
  expect(upMs).toBeLessThan(3 * UP_MS)
})

test('names every tool that is missing, and how to get it', async () => {
  const { stderr } = await run(process.execPath, [ENTER, 'true'], { env: { PATH: '/nowhere', HOME: process.env['HOME'] } }).then(() => ({ stderr: '' }), (failed: { stderr: string }) => failed)
  for (const word of ['the lab needs what is not here', 'go ', 'python3', 'Debian: prometheus']) expect(stderr).toContain(word)
})
