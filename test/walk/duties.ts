import type { Pass } from '../../src/canary/decide.ts'
import type { Exposure } from '../../src/canary/ledger.ts'
import { canonicalJson } from '../../src/canary/template-hash.ts'
import type { Cluster } from './cluster.ts'
import { standing, type Objects } from './objects.ts'

/** Why a pass that saw everything as it is looks away from what it must see to; undefined where it does not. */
export function overlooked(pass: Pass, seen: Objects, cluster: Cluster): string | undefined {
  const { row } = pass.decision
  const { truth, objects } = cluster
  const fresh = seen === objects || canonicalJson(seen) === canonicalJson(objects)
  if (!fresh || truth === undefined || row === '1') return undefined
  return unreached(row, seen) ?? unheard(pass, cluster) ?? failing(row, cluster)
}

const UNCOVERED = ['2']
const OPEN = ['2', '3', '4', '5', '5a', '6', '7']

function unreached(row: string, seen: Objects): string | undefined {
  if (seen.user.value === undefined && seen.own.value === undefined && !UNCOVERED.includes(row)) return `the host is uncovered, and row ${row} looks away`
  const open = standing(seen).some(({ lists }) => lists.kind === 'open')
  return open && !OPEN.includes(row) ? `a route reaches every pod, and row ${row} looks away` : undefined
}

const ENDS = ['2', '3', '4', '6', '7', '13', '13c', '21']

function failing(row: string, { objects: { canary, deployments }, truth, verdict, objects }: Cluster): string | undefined {
  const { status } = canary.value ?? {}
  const revision = status?.rollout?.revision
  const exposed = standing(objects).some(({ ledger }) => ledger?.exposure !== undefined && ledger.exposure.revision === revision)
  const stable = deployments[truth?.stable ?? '']?.value
  const answers = stable?.ready === true && stable.started > 0 && status?.stableRevision === truth?.stable
  const asOpened = revision !== undefined && deployments[revision]?.value?.hash === truth?.open[revision]?.hash
  return verdict === 'fail' && exposed && answers && asOpened && !ENDS.includes(row) ? `the canary fails in front of users, and row ${row} looks away` : undefined
}

/** What people have said holds: no step rises over a pause or without its approval, and an abort is not overlooked. */
function unheard({ decision: { row, action } }: Pass, cluster: Cluster): string | undefined {
  const { objects, truth, now } = cluster
  const { status } = objects.canary.value ?? {}
  const { rollout, paused, previous } = status ?? {}
  const [raise] = action.kind === 'routes' && row === '18' ? action.writes.flatMap(({ write }) => (write.lists ? (write.ledger.exposure ?? []) : [])) : []
  const present = standing(objects).flatMap(({ ledger }) => ledger?.exposure ?? [])
  const goesBack = rollout !== undefined && previous?.revision === rollout.revision
  const finishes = raise !== undefined && present.some(({ step }) => step === raise.step)
  if (paused !== undefined && (row === '20' || raise !== undefined) && action.kind === 'routes' && !goesBack && !finishes) return `row ${row} goes on while it is paused`
  if (raise !== undefined && raise.step > 0 && !goesBack && !isApproved(present, cluster)) return 'a step goes on that nobody approved'
  const aborted = objects.actions.value?.some((asked) => asked.action === 'Abort' && asked.result === undefined && asked.revision === rollout?.revision && now + 2000 < asked.expiresAt)
  const stable = objects.deployments[truth?.stable ?? '']?.value
  return aborted === true && status?.phase === 'Progressing' && stable?.ready === true && (row === '18' || row === '20') ? `row ${row} goes on over an abort` : undefined
}

function isApproved(present: readonly Exposure[], { objects }: Cluster): boolean {
  const { approval, status } = objects.canary.value ?? {}
  const isHeld = approval === true && present.length > 0 && present.every(({ step }) => step === 0)
  const granted = [...(status?.rollout?.approvals ?? []), ...(status?.rollout?.skips ?? [])]
  return !isHeld || granted.some(({ exposure }) => exposure === undefined || exposure === `${present[0]?.step ?? ''}#${present[0]?.plan ?? ''}`)
}
