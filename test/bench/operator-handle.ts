import { fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { World } from './world.ts'

/** What an operator's process says of itself; CPU time since its start, the most memory it has held, ticks by how late (cumulative). */
export type Sample = { readonly reconciles: number; readonly cpuMs: number; readonly busyMs: number; readonly mostRssMib: number; readonly ticks: Readonly<Record<string, number>> }

/** An operator in a process of its own, that talks to the world over HTTP. */
export type OperatorHandle = {
  /** From the start of the process to every cache filled, milliseconds. */
  readonly syncedMs: Promise<number>
  readonly sample: () => Promise<Sample>
  /** As on SIGTERM; resolves when the process has ended. */
  readonly stop: () => Promise<void>
}

const ENTRY = fileURLToPath(new URL(`./operator-process${extname(import.meta.url)}`, import.meta.url))

/** Starts it; `profile` is a folder for V8's CPU profile of it. */
export function startOperator({ kubernetes, prometheusUrl }: World, profile?: string): OperatorHandle {
  const startedMs = systemClock.monotonic()
  const execArgv = [...process.execArgv, ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`])]
  const child = fork(ENTRY, [kubernetes, prometheusUrl], { execArgv })
  const waiting: ((sample: Sample) => void)[] = []
  const synced = new Promise<number>((resolve, reject) => {
    child.once('exit', () => reject(new Error('the operator has ended')))
    child.on('message', (message) => {
      if (message === 'synced') resolve(systemClock.monotonic() - startedMs)
      else waiting.shift()?.(message as Sample)
    })
  })
  synced.catch(() => undefined)
  return {
    syncedMs: synced,
    sample: () => new Promise((resolve) => {
      waiting.push(resolve)
      child.send('sample')
    }),
    stop: async () => {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}
