import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A running program of the lab. */
export type Running = {
  readonly name: string
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  readonly alive: () => boolean
  /** Its exit code, once it has ended by itself. */
  readonly code: () => number | null
  readonly signal: (signal: NodeJS.Signals) => void
}

export type Program = {
  /** Names its log: "NAME.log" in the lab's directory. */
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Network namespace to run in; the lab's own when unset. */
  readonly netns?: string
  /** What is mounted over which path, for this program alone. */
  readonly mounts?: Readonly<Record<string, string>>
}

/** Starts programs whose output goes to one log file each. */
export class Processes {
  readonly #directory: string
  readonly #running = new Set<Running>()

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Kills all that runs; resolves when it has ended. */
  async end(): Promise<void> {
    const running = [...this.#running]
    for (const one of running) one.signal('SIGKILL')
    await Promise.all(running.map(({ ended }) => ended))
  }

  start({ name, command, cwd, env, netns, mounts = {} }: Program): Running {
    const log = this.logOf(name)
    mkdirSync(dirname(log), { recursive: true })
    const out = openSync(log, 'a')
    const [program, ...parameters] = [...inNetwork(netns), ...withMounts(mounts), ...command]
    const child = spawn(program ?? '', parameters, { stdio: ['ignore', out, out], ...(cwd === undefined ? {} : { cwd }), env: { ...process.env, ...env } })
    const made = running(name, child)
    this.#running.add(made)
    void made.ended.then(() => this.#running.delete(made))
    return made
  }

  logOf(name: string): string {
    return join(this.#directory, 'logs', `${name}.log`)
  }

  /** The end of a program's log, for a message. */
  tail(name: string): string {
    return readFileSync(this.logOf(name), 'utf8').split('\n').slice(-15).join('\n')
  }
}

function running(name: string, child: ChildProcess): Running {
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  const alive = () => child.exitCode === null && child.signalCode === null && child.pid !== undefined
  return { name, ended, alive, code: () => child.exitCode, signal: (signal) => void (alive() && child.kill(signal)) }
}

const inNetwork = (netns: string | undefined): readonly string[] => (netns === undefined ? [] : ['nsenter', `--net=/run/netns/${netns}`])

/** A mount namespace of the program's own, in which files lie over others. */
function withMounts(mounts: Readonly<Record<string, string>>): readonly string[] {
  if (Object.keys(mounts).length === 0) return []
  const script = [...Object.entries(mounts).map(([target, source]) => `mount --bind '${source}' '${target}'`), 'exec "$@"'].join(' && ')
  return ['unshare', '--mount', 'sh', '-c', script, 'sh']
}
