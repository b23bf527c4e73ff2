import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { usage } from '../../src/config.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { listen } from '../../src/sandbox/http-listener.ts'
import { kubeconfig } from '../../src/sandbox/kubeconfig.ts'
import { listenOnLoopback } from '../../src/sandbox/loopback.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { copies, ignores, saidBy, stages } from './dockerfile.ts'
import { installationOf, manifestsOf } from './rendered.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const [build, image] = stages()
if (build === undefined || image === undefined) throw new Error('the Dockerfile has not two stages')
const [uid, gid] = (saidBy(image, 'USER')[0] ?? '').split(':').map(Number)
const { pods } = installationOf(manifestsOf(readFileSync(join(root, 'charts/install.yaml'), 'utf8')))

describe('the Dockerfile', () => {
  it('builds on one exact version of an LTS line of Node, and runs on the same', () => {
    expect(new Set(stages().map(({ base }) => base)).size).toBe(1)
    const [, major = ''] = /^node:(\d+)\.\d+\.\d+-[a-z]+-slim$/.exec(image.base) ?? []
    expect(Number(major) % 2, `${image.base}: LTS lines are the even ones`).toBe(0)
  })

  it('copies only what is there, and what .dockerignore lets in', () => {
    const sources = [build, image].flatMap(copies).filter(({ from }) => from === undefined).flatMap((copy) => copy.sources)
    expect(sources.length).toBeGreaterThan(3)
    expect(sources.filter((path) => !existsSync(join(root, path)) || ignores()(path))).toEqual([])
  })

  it('lets in neither tests nor anything that is not asked for', () => {
    const left = ['node_modules/zod/package.json', '.git/config', 'dist/main.js', 'src/config.test.ts', 'src/istio/mesh.fixture.ts', 'test/harness.ts', '.env', 'charts/install.yaml']
    expect(left.filter((path) => !ignores()(path))).toEqual([])
    expect(['src/main.ts', 'src/istio/mesh.ts', 'package.json'].filter(ignores())).toEqual([])
  })

  it('ends as a number that is not root; the chart names none, as some clusters give each namespace its own', () => {
    expect(saidBy(image, 'USER')).toEqual([`${uid}:${gid}`])
    expect(uid).toBeGreaterThan(0)
    expect(pods.spec.securityContext).toMatchObject({ runAsNonRoot: true })
    expect(Object.keys({ ...pods.spec.securityContext, ...pods.spec.containers[0].securityContext })).not.toContain('runAsUser')
  })

  it('opens the port of the chart, needs no shell to start, and is stopped as Node expects', () => {
    expect(saidBy(image, 'EXPOSE').map(Number)).toEqual(pods.spec.containers[0].ports.map(({ containerPort }) => containerPort))
    expect(JSON.parse(saidBy(image, 'ENTRYPOINT')[0] ?? '')).toEqual(['node', expect.any(String)])
    expect([...saidBy(image, 'RUN'), ...saidBy(image, 'CMD')]).toEqual([])
    expect(saidBy(image, 'STOPSIGNAL')).toEqual(['SIGTERM'])
  })
})

/** What the image's last stage holds, made by the commands of its first. */
describe('what the Dockerfile builds', () => {
  const place = mkdtempSync(join(tmpdir(), 'serin-image-'))
  const [workdir, rootfs, empty] = ['build', 'rootfs', 'empty'].map((name) => join(place, name)) as [string, string, string]
  const command = (JSON.parse(saidBy(image, 'ENTRYPOINT')[0] ?? '[]') as readonly string[]).slice(1).map((path) => join(rootfs, path))
  // A user without rights, where there is a choice: nobody may write into the folder it is started in.
  const confined = { cwd: empty, env: {}, ...(process.getuid?.() === 0 ? { uid, gid } : {}) }

  beforeAll(() => {
    for (const path of [workdir, rootfs, empty]) mkdirSync(path)
    const ignored = ignores()
    for (const { sources, target } of copies(build))
      for (const source of sources) cpSync(join(root, source), join(workdir, target, basename(source) === basename(target) ? '' : basename(source)), { recursive: true, filter: (path) => !ignored(relative(root, path)) })
    const [install, ...commands] = saidBy(build, 'RUN')
    expect(install).toBe('npm ci --ignore-scripts')
    symlinkSync(join(root, 'node_modules'), join(workdir, 'node_modules'))
    for (const line of commands) execFileSync('sh', ['-c', line], { cwd: workdir, stdio: 'pipe' })
    const made = saidBy(build, 'WORKDIR')[0] ?? ''
    for (const { from, sources, target } of copies(image))
      for (const source of sources) cpSync(from === undefined ? join(root, source) : join(workdir, relative(made, source)), join(rootfs, target))
    for (const path of [place, rootfs]) chmodSync(path, 0o755)
    chmodSync(empty, 0o555)
  })
  afterAll(() => rmSync(place, { recursive: true, force: true }))

  it('says its flags with nothing beside it, in a folder it cannot write to, as a user without rights', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [...command, '--help'], { ...confined, encoding: 'utf8' })
    expect({ stdout, stderr, status }).toEqual({ stdout: usage(), stderr: '', status: 0 })
  })

  it('reads a kubeconfig, watches the cluster with the flags of the chart, and ends well on SIGTERM', async () => {
    const stop = new AbortController()
    const sandbox = createSandbox({ clock: systemClock, seed: 1, mode: 'function' })
    const running = sandbox.run(stop.signal)
    let watched: () => void = () => undefined
    const watching = new Promise<void>((resolve) => (watched = resolve))
    const server = await listen({ ...sandbox.cluster, exchange: (request, timeoutMs) => {
      if (request.path.startsWith('/api/v1/pods?watch=')) watched()
      return sandbox.cluster.exchange(request, timeoutMs)
    } })
    const config = join(place, 'kubeconfig')
    writeFileSync(config, kubeconfig(server.url), { mode: 0o644 })
    const { port, close } = await listenOnLoopback(() => Promise.resolve())
    await close()
    const child = spawn(process.execPath, [...command, ...pods.spec.containers[0].args, `--kubeconfig=${config}`, `--health-port=${port}`], { ...confined, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    try {
      await Promise.race([watching, ended.then((code) => Promise.reject(new Error(`it ended with ${code}: ${said}`)))])
      expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
      child.kill('SIGTERM')
      expect(await ended).toBe(0)
    } finally {
      child.kill('SIGKILL')
      await server.close()
      stop.abort(new Error('the test is over'))
      await running
    }
  })
})
