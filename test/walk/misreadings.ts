import type { Pass } from '../../src/canary/decide.ts'
import { factsOf } from '../../src/canary/facts.ts'
import type { World } from '../../src/canary/world.ts'
import type { Mutation } from './mutation.ts'
import { withLedgers, withoutRows } from './mutations.ts'

/** The machine where one reading of docs/protocol.md is taken otherwise. */
export const misreadings = {
  beginsAtOnce: { world: forgetsWhatFailed },
  anyChangeRetries: { world: forgivesAnyChange },
  mirrorsNothing: { pass: withoutRows(['7']) },
  yieldsAtOnce: { pass: yields },
  neverYields: { world: (world) => ({ ...world, mesh: { ...world.mesh, routes: world.mesh.routes.map((route) => ({ ...route, own: false })) } }) },
  backUnseen: { world: believesItselfBack },
  believesStable: { world: seesStable },
  answersByDeployment: { world: (world) => ({ ...world, endpoints: Object.fromEntries(world.workloads.map(({ revision, ready }) => [revision, ready])) }) },
} satisfies Readonly<Record<string, Mutation>>

/** What rolls back counts as over once something else is wanted. */
function forgetsWhatFailed(world: World): World {
  const { phase, c, t } = factsOf(world)
  if (phase !== 'RollingBack' || t?.revision === c?.revision || world.status === undefined) return world
  const { rollout: _forgotten, ...status } = world.status
  return { ...world, status }
}

/** Whatever is applied to the target asks for another try. */
function forgivesAnyChange(world: World): World {
  const known = world.status?.observedTarget?.generation ?? 0
  return (world.target?.generation ?? 0) > known ? withLedgers(world, (ledger) => ({ ...ledger, failed: {} })) : world
}

/** Our own route goes as soon as the user's is back. */
function yields(pass: Pass, world: World): Pass {
  const { routes } = world.mesh
  const isBack = routes.some(({ own }) => own) && routes.some(({ own, mesh }) => !own && mesh) && routes.every(({ content }) => content === 'ours')
  return isBack ? { ...pass, decision: { ...pass.decision, row: '8', action: { kind: 'remove-own-route', live: true } } } : pass
}

/** A Canary that goes takes its rollout for over: nobody meets the canary, and every route has heard. */
function believesItselfBack(world: World): World {
  const { leaving, mesh } = world
  const { s } = factsOf(world)
  if (leaving === undefined || s === undefined) return world
  const heard = withLedgers(world, ({ exposure: _over, ...ledger }) => ({ ...ledger, leaving: leaving.uid }))
  return { ...heard, mesh: { ...heard.mesh, reached: [s], routes: heard.mesh.routes.map((route) => ({ ...route, reaches: [s], content: mesh.covered ? 'ours' : route.content })) } }
}

/** Stable counts as there, as large as when the rollout began, whoever took it. */
function seesStable(world: World): World {
  const { s, c, stable, canary } = factsOf(world)
  if (s === undefined || c === undefined || stable !== undefined || canary === undefined) return world
  const seen = { ...canary, revision: s, name: `web-${s}`, floor: { rollout: c.rollout, replicas: canary.replicas } }
  return { ...world, workloads: [...world.workloads, seen], endpoints: { ...world.endpoints, [s]: canary.replicas } }
}
