import { openWorld } from './world.ts'
import { startOperator } from './operator-handle.ts'
import { versionOf } from './fleet.ts'

const size = Number(process.argv[2] ?? 100)
const step = Number(process.argv[3] ?? 2)
const t = () => performance.now()
const w = await openWorld(size, { step, propagation: 1, drain: 1 })
const op = startOperator(w, process.argv[4])
const say = (s: string) => process.stdout.write(`${s}\n`)
say(`synced ${await op.syncedMs}`)
const all = (phase: string) => () => w.fleet.every(({ name }) => w.journal.phaseOf(name) === phase)
await w.until('adoption', all('Idle'), 60_000)
say(`adopted ${t()}`)
const before = w.journal.requests.length
const kinds = (from: number) => { const n: Record<string, number> = {}; for (const r of w.journal.requests.slice(from)) n[r.kind] = (n[r.kind] ?? 0) + 1; return n }
say(JSON.stringify(kinds(0)))
const s0 = await op.sample()
const t0 = t()
for (const m of w.fleet) await w.create(versionOf(m, 'v2'))
say(`created in ${t() - t0}`)
await w.until('start', all('Progressing'), 60_000)
await w.until('promotion', all('Idle'), 300_000)
const s1 = await op.sample()
say(`released in ${t() - t0} cores ${(s1.cpuMs - s0.cpuMs) / (t() - t0)} ${JSON.stringify(s1)}`)
say(JSON.stringify(kinds(before)))
const f = w.journal.factsOf('web-0')
say(f.map((x) => `${Math.round(x.atMs - t0)} ${JSON.stringify(x)}`).join('\n'))
say(w.journal.requests.slice(before).filter((r) => r.canary === 'web-0').map((x) => `${Math.round(x.atMs - t0)} ${x.kind}`).join('\n'))
await op.stop()
await w.close()
