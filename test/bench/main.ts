import { readFile, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { rowsOf } from './bars.ts'
import type { Findings } from './findings.ts'
import { markdown, textTable, withTable } from './report.ts'
import { labWorlds } from './lab-world.ts'
import { run, type Plan } from './run.ts'
import { openSandboxWorld } from './sandbox-world.ts'

const { values } = parseArgs({
  options: { lab: { type: 'boolean', default: false }, write: { type: 'boolean' }, runs: { type: 'string', default: '1' }, size: { type: 'string', multiple: true }, profile: { type: 'string' } },
})

const PLANS: readonly Omit<Plan, 'say' | 'open'>[] = [
  { size: 1, intervalMs: 1_000, release: true },
  { size: 100, intervalMs: 2_000, release: true },
  { size: 1_000, intervalMs: 10_000, release: false },
]

const DOCUMENT = 'docs/performance.md'
const say = (line: string) => process.stderr.write(`${line}\n`)

const open = values.lab ? await labWorlds() : openSandboxWorld
const findings: Findings[] = []
const load = [loadavg()[0] ?? 0]
for (let turn = 0; turn < Number(values.runs); turn++) {
  for (const plan of PLANS) {
    if (values.size !== undefined && !values.size.includes(String(plan.size))) continue
    findings.push(await run({ ...plan, say, open, ...(values.profile === undefined ? {} : { profile: values.profile }) }))
    load.push(loadavg()[0] ?? 0)
  }
}
const rows = rowsOf(findings)
process.stdout.write(`${textTable(rows)}\n`)
if (values.write === true) {
  const table = markdown(rows, { runs: Number(values.runs), load: [Math.min(...load), Math.max(...load)] })
  await writeFile(DOCUMENT, withTable(await readFile(DOCUMENT, 'utf8'), table, values.lab ? 'bench-lab' : 'bench'))
}
process.exit()
