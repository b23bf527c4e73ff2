import type { Transport } from '../../src/runtime/transport.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { ignoredAnnotations } from '../../src/api/settings.ts'
import { annotationsOf, hashOfParts, templateDigest } from '../../src/canary/template-hash.ts'
import { contentHash } from '../../src/controller/config-content.ts'
import { revisionOfHash } from '../../src/controller/revision-deployment.ts'
import { caller, canary, faulty, faultyTarget, namespace, service, target, targetCanary, version } from '../fixtures.ts'
import { Harness, NAMESPACE, uncheckedCrd, type Process } from '../harness.ts'
import { config, configuredTarget, fromKey } from '../rollout/configured.ts'
import { ledgerOf } from '../oracle/objects.ts'
import { Saboteur, type Fault } from './saboteur.ts'

/** Where everything stands once the story is over, and what was done wrong on the way. */
export type Ending = { readonly end: unknown; readonly violations: readonly string[]; readonly writes: readonly string[] }

const RPS = 20
const MOST_MS = 120_000
/** A new process is there a moment after the old one died. */
const RESTART_MS = 100
/** Long enough for whatever was put off to be written. */
const QUIET_MS = 12_000

type Subject = 'versions' | 'target' | 'config'
export type Story = Subject | 'versions-deleted' | 'target-deleted'

export type StoryOptions = {
  /** Of versions that somebody applies (the default), of a plain Deployment, or of what that is configured with; or one that is adopted, and its Canary deleted. */
  readonly of?: Story
  /** What else there is from the beginning. */
  readonly objects?: readonly KubeObject[]
  /** What befalls the write of this number. */
  readonly fate?: (write: number) => Fault | undefined
  /** Leaders at the same time; 1 unless given. */
  readonly leaders?: number
  /** Stands between each leader and the API server, beside the saboteur. */
  readonly through?: (transport: Transport, harness: Harness) => Transport
  /** What somebody does when the operator dies: the story ends there, and goes on until `until`. */
  readonly meanwhile?: { readonly act: (harness: Harness) => Promise<void>; readonly until: (harness: Harness) => boolean }
  /** Whatever else goes on all the time. */
  readonly trouble?: (harness: Harness) => void
  /** Users and time go on for so long after the end. */
  readonly afterMs?: number
}

/** One bad version, then a good one: two steps, few requests. */
export async function shortStory({ of = 'versions', objects = [], fate = () => undefined, leaders = 1, through = (transport) => transport, meanwhile, trouble, afterMs = 0 }: StoryOptions = {}): Promise<Ending> {
  const harness = new Harness()
  const { clock, sandbox: { cluster: { faults } } } = harness
  let dead = false
  const starts = Array.from({ length: leaders }, () => {
    let process: Process | undefined
    const saboteur: Saboteur = new Saboteur({ clock, faults, fate, kill: () => {
      process?.kill()
      dead = true
      void clock.sleep(RESTART_MS).then(start)
    } })
    const start = () => {
      process = harness.startOperator({ through: (transport) => saboteur.through(through(transport, harness)) })
    }
    return { saboteur, start }
  })
  try {
    await harness.apply(uncheckedCrd(), namespace(), service(), caller(), ...FIRST[of.replace('-deleted', '') as Subject], ...objects)
    await clock.advance(500)
    const leave = harness.users(RPS, { host: 'service-c', from: harness.insider })
    for (const { start } of starts) start()
    trouble?.(harness)
    await tell(harness, CHAPTERS[of], () => dead && meanwhile !== undefined)
    if (dead && meanwhile !== undefined) {
      await meanwhile.act(harness)
      await harness.until(() => meanwhile.until(harness), MOST_MS)
    }
    await clock.advance(afterMs)
    leave()
    const written = starts.map(({ saboteur }) => saboteur.writes.length)
    await clock.advance(QUIET_MS)
    const late = starts.flatMap(({ saboteur }, index) => saboteur.writes.slice(written[index]))
    return { end: endOf(harness), violations: wrongs(harness, late), writes: starts.flatMap(({ saboteur }) => saboteur.writes) }
  } finally {
    harness.stop()
  }
}

/** Without a phase the object is deleted, and gone at the end. */
type Chapter = { readonly object: KubeObject; readonly revision: string; readonly phase?: string }

/** The name of the revision that a target's pod template stands for, configured with these. */
export function revisionOf(object: KubeObject, ...configs: readonly KubeObject[]): string {
  const { template } = object['spec'] as { template: unknown }
  const config = configs.map((each) => [`${each.kind} ${each.metadata.name}`, contentHash(each as Parameters<typeof contentHash>[0])] as const)
  return revisionOfHash(hashOfParts(templateDigest(template), annotationsOf(template), ignoredAnnotations, Object.fromEntries(config)))
}

const good = target('v3', { env: { ERROR_RATE: '0' } })
const configured = configuredTarget('v1', { container: { env: [fromKey('ERROR_RATE', 'rate')] } })
const rate = (value: string) => config('app', { rate: value })
const FIRST: Readonly<Record<Subject, readonly KubeObject[]>> = {
  versions: [version('v1', { replicas: 2 })],
  target: [target('v1')],
  config: [rate('0'), configured],
}
const CHAPTERS: Readonly<Record<Story, readonly Chapter[]>> = {
  'versions-deleted': [{ object: canary(), revision: 'v1', phase: 'Idle' }, { object: canary(), revision: 'v1' }],
  'target-deleted': [{ object: targetCanary(), revision: revisionOf(target('v1')), phase: 'Idle' }, { object: targetCanary(), revision: revisionOf(target('v1')) }],
  versions: [
    { object: canary(), revision: 'v1', phase: 'Idle' },
    { object: faulty('v2', { replicas: 0 }), revision: 'v1', phase: 'Failed' },
    { object: version('v3', { replicas: 0 }), revision: 'v3', phase: 'Idle' },
  ],
  target: [
    { object: targetCanary(), revision: revisionOf(target('v1')), phase: 'Idle' },
    { object: faultyTarget('v2'), revision: revisionOf(target('v1')), phase: 'Failed' },
    { object: good, revision: revisionOf(good), phase: 'Idle' },
  ],
  config: [
    { object: targetCanary(), revision: revisionOf(configured, rate('0')), phase: 'Idle' },
    { object: rate('1'), revision: revisionOf(configured, rate('0')), phase: 'Failed' },
    { object: rate('0.0'), revision: revisionOf(configured, rate('0.0')), phase: 'Idle' },
  ],
}

async function tell(harness: Harness, chapters: readonly Chapter[], isOver: () => boolean): Promise<void> {
  for (const { object, revision, phase } of chapters) {
    if (isOver()) return
    if (phase === undefined) {
      await harness.delete(object)
      await harness.until(() => isOver() || harness.find('canaries.serin.dev', object.metadata.name) === undefined, MOST_MS, 50)
      continue
    }
    await harness.apply(object)
    await harness.until(() => isOver() || rests(harness, revision, phase), MOST_MS, 50)
  }
}

/** This version is stable, and nothing is left to do. */
export function rests(harness: Harness, revision: string, phase = 'Idle'): boolean {
  const { phase: present, stableRevision, previous } = harness.status()
  const target = harness.find('deployments.apps', 'service-c')?.['spec'] as { replicas?: number } | undefined
  return present === phase && stableRevision === revision && previous === undefined && (target?.replicas ?? 0) === 0
}

/** Events may be late, and may be written again; nothing else is written once nothing is left to do. */
function wrongs(harness: Harness, late: readonly string[]): readonly string[] {
  const byMesh = harness.meshMade().map(({ at, status }) => `${at} ms: a user was answered ${status} by the mesh`)
  const idle = late.filter((write) => !write.includes(' events')).map((write) => `written with nothing left to do: ${write}`)
  return [...harness.oracle.violations, ...byMesh, ...idle]
}

/** Everything that must be the same whatever went wrong: no times, no names of rollouts. */
function endOf(harness: Harness): unknown {
  const list = (resource: string) => harness.sandbox.cluster.reader.list(resource, NAMESPACE).toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  const { phase, stableRevision, canaryRevision, weight, failed, seen, rollout, previous, history, conditions } = harness.find('canaries.serin.dev', 'service-c') === undefined ? {} as ReturnType<Harness['status']> : harness.status()
  return {
    status: {
      phase, stableRevision, canaryRevision, weight, rollout, previous,
      failed: failed?.revision,
      seen: seen?.map((entry) => `${entry.revision} ${entry.failed ?? ''}`),
      history: history?.map(({ revision, result, reason }) => `${revision} ${result} ${reason ?? ''}`),
      conditions: conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
    },
    deployments: list('deployments.apps').map(({ metadata }) => `${metadata.name} ${harness.replicas(metadata.name)}`),
    copies: list('configmaps').filter(({ metadata }) => metadata.ownerReferences !== undefined).map(({ metadata, data }) => ({ name: metadata.name, data })),
    rules: list('destinationrules.networking.istio.io').map(({ metadata, spec }) => ({ name: metadata.name, spec })),
    routes: list('virtualservices.networking.istio.io').map((object) => ({ name: object.metadata.name, spec: object['spec'], ledger: timeless(object) })),
  }
}

function timeless(object: Parameters<typeof ledgerOf>[0]) {
  const ledger = ledgerOf(object)
  return ledger && { ...ledger, uid: undefined, open: Object.keys(ledger.open), failed: Object.keys(ledger.failed), served: Object.keys(ledger.served ?? {}) }
}
