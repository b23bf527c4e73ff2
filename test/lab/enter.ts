import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createServer, connect, type Server } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { demandTools, prepareParts, scratch, toolEnvironment } from './parts.ts'
import { DOORS, SURROUNDINGS, type Surroundings } from './surroundings.ts'

const root = fileURLToPath(new URL('../../../../', import.meta.url))

/**
 * Runs a command in namespaces of its own (network, mounts, processes). When it ends, however it ends, the kernel takes
 * everything with it: every process, every network namespace, every address.
 */
async function enter(command: readonly string[]): Promise<number> {
  await demandTools()
  const parts = await prepareParts(join(root, 'test/lab/modules'), (line) => process.stderr.write(`lab: ${line}\n`))
  const directory = scratch()
  const doors = await Promise.all(DOORS.map((door) => openDoor(join(directory, `${door}.sock`))))
  const ports = Object.fromEntries(DOORS.map((door, index) => [door, portOf(doors[index])])) as Surroundings['ports']
  const surroundings: Surroundings = { directory, parts, ports }
  try {
    return await inside(command, surroundings)
  } finally {
    for (const door of doors) door.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

function inside(command: readonly string[], surroundings: Surroundings): Promise<number> {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const namespaces = ['unshare', ...user, '--net', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL']
  // Names of network namespaces live under /run: a private one, so that they vanish too.
  const prepare = 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"'
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...namespaces, 'sh', '-c', prepare, 'sh', ...command], {
    cwd: root,
    env: { ...toolEnvironment(), [SURROUNDINGS]: JSON.stringify(surroundings) },
    stdio: 'inherit',
  })
  // The terminal tells the whole group of a Ctrl-C; what is inside ends then, and this process with it.
  process.on('SIGINT', () => undefined)
  // unshare hears no SIGTERM while it waits.
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGKILL'))
  const parent = process.ppid
  const orphaned = setInterval(() => process.ppid === parent || child.kill('SIGKILL'), 500)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      clearInterval(orphaned)
      resolve(code ?? 130)
    })
  })
}

/** A loopback port that leads to a socket file: files are seen from both sides, addresses are not. */
function openDoor(path: string): Promise<Server> {
  const server = createServer((outer) => {
    const inner = connect(path)
    outer.pipe(inner).pipe(outer)
    for (const [one, other] of [[outer, inner], [inner, outer]] as const) one.on('error', () => other.destroy())
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

function portOf(server: Server | undefined): number {
  const address = server?.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

try {
  process.exitCode = await enter(process.argv.slice(2))
} catch (thrown) {
  const causes = thrown instanceof Error && thrown.cause instanceof Error ? `\n${thrown.cause.message}` : ''
  process.stderr.write(`lab: ${thrown instanceof Error ? thrown.message : String(thrown)}${causes}\n`)
  process.exitCode = 1
}
