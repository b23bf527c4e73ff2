import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WriteStream } from 'node:tty'
import { claimsOf } from './demo/outcome.ts'
import { snapshot } from './demo/snapshot.ts'
import { openStage } from './demo/stage.ts'
import { Story } from './demo/story.ts'
import { summary } from './demo/summary.ts'
import { liveScreen, plainLines, type Presenter } from './demo/terminal.ts'
import { paint } from './demo/text.ts'
import { asError } from './runtime/failure.ts'
import { systemClock } from './runtime/system-clock.ts'
import { kubeconfig } from './sandbox/kubeconfig.ts'

const FRAME_MS = 150
const INTERRUPTED = 130

const { stdout, env } = process
const isLive = stdout.isTTY && env['TERM'] !== 'dumb'
const { NO_COLOR: unwanted = '', FORCE_COLOR: wanted = '0' } = env
const color = unwanted === '' && (isLive || !['', '0'].includes(wanted))
const columns = Math.max(80, Math.min(stdout.isTTY ? stdout.columns : 100, 140))
const write = (text: string) => stdout.write(text)

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error('interrupted')))

const stage = await openStage(systemClock, stop.signal)
const story = new Story(stage, stop.signal)
process.exitCode = await (process.argv.includes('--stay') ? stay() : demonstrate())
await stage.close()
process.exit()

/** Plays the story, and says in the end what came of it. */
async function demonstrate(): Promise<number> {
  const presenter = isLive ? liveScreen(stdout as WriteStream, color) : plainLines(write, { columns, color, everyMs: 5_000 })
  const shown = new AbortController()
  const frames = present(presenter, shown.signal)
  const [played] = await Promise.allSettled([story.play()])
  shown.abort()
  await frames
  presenter.close()
  if (played.status === 'rejected') return brokenOff(played.reason)
  write(`\n${summary(played.value, story.chronicle.moments, columns).map((line) => paint(line, color)).join('\n')}\n`)
  return claimsOf(played.value).every(({ holds }) => holds) ? 0 : 1
}

/** Brings the story's first act up and leaves it running for kubectl. */
async function stay(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'serin-'))
  const path = join(folder, 'kubeconfig')
  try {
    await writeFile(path, kubeconfig(stage.url))
    write('Bringing up a cluster, a mesh, users and Serin ...\n')
    await story.adopt()
    write(usage(path))
    await present(plainLines(write, { columns, color, everyMs: 60_000 }), stop.signal)
    return INTERRUPTED
  } catch (thrown) {
    return brokenOff(thrown)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function present(presenter: Presenter, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    presenter.show(snapshot(story, stage))
    await systemClock.sleep(FRAME_MS, signal).catch(() => undefined)
  }
  presenter.show(snapshot(story, stage))
}

function brokenOff(thrown: unknown): number {
  if (stop.signal.aborted) return INTERRUPTED
  const { message } = story.chronicle.status ?? {}
  process.stderr.write(`The story broke off: ${asError(thrown).message}${message === undefined ? '' : `; the Canary says: ${message}`}\n`)
  return 1
}

function usage(path: string): string {
  return `
service-c-v1 serves 100 requests a second, and Serin watches over service-c. In another terminal:

export KUBECONFIG=${path}

kubectl get canaries -n istioinaction -w
kubectl apply -f examples/happy-istio/service-c-v2.yaml
kubectl describe canary service-c -n istioinaction

Ctrl-C ends everything.
`
}
