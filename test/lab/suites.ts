import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/**
 * `npm run test:lab`. With arguments: vitest with them, in one lab. Without: every suite, in two labs side by side, as
 * most of a rollout's time is spent waiting; what the first does not name is the second's.
 */
const FIRST = [
  ...['traffic', 'crd', 'kubectl', 'two-rules', 'story', 'lab', 'scaler', 'gitops', 'config'].map((name) => `test/lab/${name}.lab.ts`),
  'test/install/helm.lab.ts', 'test/contract/prometheus/queries.test.ts', 'test/contract/prometheus/answers.test.ts',
]

const enter = fileURLToPath(new URL('enter.js', import.meta.url))
const VITEST = ['node', 'node_modules/vitest/vitest.mjs', 'run', '--config', 'test/lab/vitest.config.ts']

const labs: ChildProcess[] = []

/** Resolves with the exit code. */
const inLab = (parameters: readonly string[], name?: string): Promise<number> => inShell([...VITEST, ...parameters], name)

function inShell(command: readonly string[], name?: string): Promise<number> {
  const child = spawn(process.execPath, [enter, ...command], { stdio: name === undefined ? 'inherit' : ['inherit', 'pipe', 'pipe'] })
  labs.push(child)
  for (const stream of [child.stdout, child.stderr])
    if (stream !== null) createInterface(stream).on('line', (line) => process.stdout.write(`${name ?? ''} ${line}\n`))
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)))
}

const wanted = process.argv.slice(2)
// Once, before two labs want the same.
if (await inShell(['true']) !== 0) process.exit(1)
// The terminal tells them of a Ctrl-C itself.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => labs.forEach((lab) => lab.kill('SIGTERM')))
const codes = wanted.length > 0
  ? [await inLab(wanted)]
  : await Promise.all([inLab(FIRST, 'lab 1 │'), inLab(FIRST.flatMap((path) => ['--exclude', path]), 'lab 2 │')])
process.exitCode = Math.max(...codes)
