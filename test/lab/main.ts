import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startLab, surroundings } from './lab.ts'

/** `npm run lab`: a cluster to look at, until Ctrl-C. */
const { values } = parseArgs({ options: { grade: { type: 'string', default: 'mtls' }, debounce: { type: 'string', default: '100' } } })

if (values.grade !== 'mtls' && values.grade !== 'plain') throw new Error(`--grade ${values.grade}: write mtls or plain`)
if (!/^\d+$/.test(values.debounce)) throw new Error(`--debounce ${values.debounce}: write milliseconds, such as 100`)
const { grade } = values

const say = (line: string) => process.stdout.write(`${line}\n`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
const { outsideKubeconfig } = await startLab({ grade, debounceMs: Number(values.debounce), say })
const { directory, ports } = surroundings()
const path = join(directory, 'kubeconfig')
writeFileSync(path, outsideKubeconfig, { mode: 0o600 })
say(`
  export KUBECONFIG=${path}

  gateway     http://127.0.0.1:${ports.gateway}
  Prometheus  http://127.0.0.1:${ports.prometheus}
  logs        ${join(directory, 'logs')}

Ctrl-C ends it, and leaves nothing behind.`)
