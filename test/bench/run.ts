import { systemClock } from '../../src/runtime/system-clock.ts'
import { average, type Findings, type Starts, tally } from './findings.ts'
import { canaryOf, versionOf, type Member, type Pace } from './fleet.ts'
import type { Fact, Request } from './journal.ts'
import { startOperator, type OperatorHandle } from './operator-handle.ts'
import type { World } from './world.ts'

/** How one run goes. */
export type Plan = {
  readonly size: number
  /** Of a check and of a step. */
  readonly intervalMs: number
  /** Also a healthy release from end to end. */
  readonly release: boolean
  /** Folder for a CPU profile of the operator that is measured. */
  readonly profile?: string
  readonly say: (line: string) => void
  readonly open: (size: number, pace: Pace) => Promise<World>
}

const clock = systemClock
const PROPAGATION_MS = 1_000
const DRAIN_MS = 1_000
/** Nothing was asked for so long: the operator rests. */
const QUIET_MS = 3_000
const IDLE_MS = 10_000
/** How far apart versions come that come one by one. */
const APART_MS = 100
const MOST_APART = 100
/** Each canary's first bad answer comes at its own time before the next check; the last so long before that this check sees more than 1 %. */
const MARGIN_MS = 400
/** Longer than any run. */
const NEVER_S = 3_600

/** Runs one fleet through adoption, a restart, releases and rollbacks; ends by itself. */
export async function run(plan: Plan): Promise<Findings> {
  const { size, intervalMs, release, profile, say, open } = plan
  const pace = { step: intervalMs / 1000, propagation: PROPAGATION_MS / 1000, drain: DRAIN_MS / 1000 }
  const world = await open(size, pace)
  const stage = { ...plan, world, pace }
  say(`${size}: adopting`)
  const first = startOperator(world)
  if (!(await world.until(() => allAre(world, 'Idle'), 300_000))) throw new Error(`${size} canaries were not adopted within five minutes`)
  await quiet(world)
  await first.stop()
  say(`${size}: starting again`)
  const from = world.journal.requests.length
  const operator = startOperator(world, profile)
  try {
    const startedMs = clock.monotonic()
    const syncedMs = await operator.syncedMs
    await quiet(world)
    const idle = { syncedMs, quietMs: Math.max(syncedMs, lastRequestMs(world) - startedMs), ...await restFor(world) }
    const released = release ? await releaseAll(stage, 'v2') : undefined
    const failing = await failAll({ ...stage, operator }, release ? 'v3' : 'v2')
    const { mostRssMib } = await operator.sample()
    const verbs = tally(world.journal.requests.slice(from).map(({ verb }) => verb))
    return { size, intervalMs, ...idle, releaseRequests: released, ...failing, verbs, mostRssMib }
  } finally {
    await operator.stop()
    await world.close()
  }
}

type Stage = Plan & { readonly world: World; readonly pace: Pace }

const isOfCanary = ({ kind }: Request): boolean => kind !== 'watch' && kind !== 'list' && kind !== 'CRD'

const allAre = ({ fleet, journal }: World, phase: string): boolean => fleet.every(({ name }) => journal.phaseOf(name) === phase)

const lastRequestMs = ({ journal }: World): number => journal.requests.findLast(({ kind }) => kind !== 'watch')?.atMs ?? 0

async function quiet(world: World): Promise<void> {
  const fromMs = clock.monotonic()
  await world.until(() => clock.monotonic() - Math.max(fromMs, world.journal.requests.findLast(isOfCanary)?.atMs ?? 0) > QUIET_MS, 120_000)
}

async function restFor({ journal, fleet, until }: World): Promise<Pick<Findings, 'idleRequestsPerMinute'>> {
  const before = journal.requests.filter(isOfCanary).length
  await until(() => false, IDLE_MS)
  return { idleRequestsPerMinute: ((journal.requests.filter(isOfCanary).length - before) / fleet.length) * (60_000 / IDLE_MS) }
}

/** A healthy release from end to end. */
async function releaseAll({ world, size, intervalMs, say }: Stage, version: string): Promise<Findings['releaseRequests']> {
  say(`${size}: a healthy release`)
  const from = world.journal.requests.length
  for (const member of world.fleet) await world.create(versionOf(member, version))
  await world.until(() => allAre(world, 'Progressing'), 30_000)
  if (!(await world.until(() => allAre(world, 'Idle'), 120_000))) throw new Error(`${size} canaries were not promoted within two minutes`)
  await clock.sleep(intervalMs)
  await quiet(world)
  return average(world.journal.requests.slice(from).filter(isOfCanary).map(({ kind }) => kind), size)
}

/** A release whose canaries all fail in the end: first a few of them, then the rest within one interval. */
async function failAll(stage: Stage & { readonly operator: OperatorHandle }, version: string) {
  const { world, size, pace, say } = stage
  say(`${size}: new versions`)
  // Whatever time the last one takes to start, the first must not have been promoted before it is to fail.
  for (const member of world.fleet) await world.create(canaryOf(member, { ...pace, lastStep: NEVER_S }))
  await quiet(world)
  const starts = await startAll(stage, version)
  await world.until(() => world.fleet.every(({ name }) => routes(world, name, version).length > 0), 240_000)
  say(`${size}: steps`)
  const stepping = await steps(stage, version)
  const few = world.fleet.filter((_, index) => size > 1 && index % 100 === 50)
  say(`${size}: a few fail, then all`)
  const failing = [await fail(stage, few, version), await fail(stage, world.fleet.filter((member) => !few.includes(member)), version)] as const
  const [fewFell, allFell] = failing.map((fates) => fates.map(({ verdictMs }) => verdictMs))
  return {
    ...starts,
    ...stepping,
    fewFail: fewFell ?? [],
    allFail: allFell ?? [],
    badMs: failing.flat().map(({ badMs }) => badMs),
    readsBeforeRollback: failing.flat().reduce((sum, { reads }) => sum + reads, 0),
  }
}

async function startAll({ world }: Stage, version: string): Promise<Pick<Findings, 'apart' | 'together'>> {
  const { fleet } = world
  const apart = fleet.slice(0, Math.min(MOST_APART, Math.ceil(fleet.length / 5)))
  const together = fleet.slice(apart.length)
  for (const member of apart) {
    await world.create(versionOf(member, version))
    await clock.sleep(APART_MS)
  }
  await Promise.all(together.map((member) => world.create(versionOf(member, version))))
  await world.until(() => fleet.every(({ name }) => world.journal.factsOf(name).some((fact) => fact.kind === 'subset' && fact.version === version)), 240_000)
  return { apart: startsOf(world, apart, version), together: startsOf(world, together, version) }
}

function startsOf({ journal }: World, members: readonly Member[], version: string): Starts {
  const found = (name: string, kind: Fact['kind']) => journal.factsOf(name).find((fact) => fact.kind === kind && 'version' in fact && fact.version === version)?.atMs
  const of = (name: string, kind: Fact['kind']) => found(name, kind) ?? Infinity
  const firstWrites = new Map<string, number>()
  for (const { canary, atMs, kind } of journal.requests) if (kind !== 'event' && !firstWrites.has(canary) && atMs > of(canary, 'deployed')) firstWrites.set(canary, atMs)
  return {
    firstWrite: members.map(({ name }) => (firstWrites.get(name) ?? Infinity) - of(name, 'deployed')),
    ready: members.flatMap(({ name }) => found(name, 'ready') ?? []).length === 0 ? [] : members.map(({ name }) => of(name, 'ready') - of(name, 'deployed')),
    subset: members.map(({ name }) => of(name, 'subset') - of(name, 'deployed')),
  }
}

const routes = ({ journal }: World, name: string, version: string) =>
  journal.factsOf(name).flatMap((fact) => (fact.kind === 'route' && fact.version === version && fact.weight > 0 ? [fact] : []))

/** When the write came in that was stored at `atMs`. */
const askedMs = ({ journal }: World, name: string, atMs: number): number =>
  journal.requests.findLast((request) => request.canary === name && request.kind === 'VirtualService' && request.atMs <= atMs)?.atMs ?? atMs

/** What it costs to step, over some ticks in which all canaries are under way. */
async function steps({ world, operator, intervalMs, size }: Stage & { readonly operator: OperatorHandle }, version: string) {
  const { journal, prometheus, fleet } = world
  const [before, fromMs, queriesBefore] = [await operator.sample(), clock.monotonic(), prometheus.queries.length]
  await clock.sleep(3 * intervalMs)
  await world.until(() => fleet.every(({ name }) => routes(world, name, version).length > 1), 2 * intervalMs)
  const [after, toMs] = [await operator.sample(), clock.monotonic()]
  const raises = fleet.map(({ name }) => routes(world, name, version))
  const firsts = fleet.map(({ name }, index) => (raises[index] ?? []).slice(0, 2).map(({ atMs }) => askedMs(world, name, atMs)))
  const between = journal.requests.filter(({ canary, atMs }) => {
    const [from, to] = firsts[Number(canary.slice('web-'.length))] ?? []
    return from !== undefined && to !== undefined && atMs > from && atMs <= to
  })
  const queries = prometheus.queries.slice(queriesBefore)
  const ticks = (after.ticks['+Inf'] ?? 0) - (before.ticks['+Inf'] ?? 0)
  const inTime = (after.ticks['0.1'] ?? 0) - (before.ticks['0.1'] ?? 0)
  return {
    stepRequests: average(between.filter(isOfCanary).map(({ kind }) => kind), size),
    stepMs: raises.flatMap((facts) => facts.slice(1).map(({ atMs }, index) => atMs - (facts[index]?.atMs ?? NaN))),
    queriesPerTick: queries.length / ticks,
    seriesPerTick: queries.reduce((sum, { series }) => sum + series, 0) / ticks,
    cores: (after.cpuMs - before.cpuMs) / (toMs - fromMs),
    busy: (after.busyMs - before.busyMs) / (toMs - fromMs),
    reconciles: (after.reconciles - before.reconciles) / Math.max(1, between.filter(({ kind }) => kind === 'VirtualService').length),
    ticks,
    lateTicks: ticks - inTime,
  }
}

type Fate = { readonly verdictMs: number; readonly badMs: number; readonly reads: number }

/** Bad answers begin right after a check, for each canary at a time of its own until the next one. */
async function fail({ world, intervalMs }: Stage, members: readonly Member[], version: string): Promise<readonly Fate[]> {
  const { prometheus, journal } = world
  const asked = prometheus.queries.length
  await world.until(() => prometheus.queries.length > asked, 2 * intervalMs)
  const firstMs = prometheus.queries[asked]?.atMs ?? 0
  await clock.sleep(MARGIN_MS)
  const [fromMs, offsetMs] = [clock.monotonic(), clock.now() - clock.monotonic()]
  const begins = members.map((_, index) => fromMs + ((firstMs + intervalMs - MARGIN_MS - fromMs) * index) / Math.max(1, members.length - 1))
  if (members.some(({ name }) => routes(world, name, version).length === 0)) throw new Error('a canary has not begun its first step')
  members.forEach(({ host }, index) => prometheus.fails(host, version, (begins[index] ?? 0) + offsetMs))
  const backMs = (name: string) => journal.factsOf(name).find((fact) => fact.kind === 'route' && fact.weight === 0 && fact.version !== version && fact.atMs > fromMs)?.atMs
  await world.until(() => members.every(({ name }) => backMs(name) !== undefined), 4 * intervalMs)
  return members.map(({ name }, index) => {
    const atMs = backMs(name) ?? Infinity
    const verdictAtMs = verdict(world, intervalMs, begins[index] ?? NaN)
    const writeMs = askedMs(world, name, atMs)
    const reads = journal.requests.filter((request) => request.canary === name && request.kind === 'live read' && request.atMs > verdictAtMs && request.atMs < writeMs).length
    return { verdictMs: atMs - verdictAtMs, badMs: atMs - (begins[index] ?? NaN), reads }
  })
}

/** When the last answer of the second check after the first bad answer was out. */
function verdict({ prometheus }: World, intervalMs: number, badFromMs: number): number {
  const ticks: { readonly atMs: number; answeredMs: number }[] = []
  for (const { atMs, answeredMs } of prometheus.queries.filter((query) => query.atMs > badFromMs)) {
    const last = ticks.at(-1)
    if (last === undefined || atMs - last.answeredMs > intervalMs / 4) ticks.push({ atMs, answeredMs })
    else last.answeredMs = Math.max(last.answeredMs, answeredMs)
  }
  return ticks[1]?.answeredMs ?? 0
}
