import { normal, outcome, writeRoutes } from './actions.ts'
import type { Decision } from './decision.ts'
import type { Facts } from './facts.ts'
import { previewNow, whyRollBack } from './guards.ts'
import { isBeforeFirst } from './steps.ts'

type Outcome = Omit<Decision, 'row'>

/** While these hold, the Service cannot be made. */
const NO_SERVICE = new Set(['PreviewServiceTaken', 'ServiceNotFound'])

/** Row 8p: the Service for tests leads to the canary from its first ready pod on, else to stable; one that is no longer wanted goes. */
export function leadPreview(facts: Facts): Outcome | undefined {
  const { previews, settings, mesh } = facts.world
  const name = settings.preview.service
  const surplus = Object.keys(previews).find((standing) => standing !== name)
  if (surplus !== undefined)
    return outcome(`the preview Service ${surplus} is no longer wanted`, { action: { kind: 'preview', name: surplus, revision: undefined, live: false } })
  const revision = name === undefined ? undefined : previewed(facts, previews[name])
  if (name === undefined || revision === undefined || previews[name] === revision) return undefined
  if (mesh.refusals.some(({ reason }) => NO_SERVICE.has(reason))) return undefined
  return outcome(`the preview Service leads to ${revision}`, {
    action: { kind: 'preview', name, revision, live: false },
    events: [normal('PreviewMoved', `Service ${name} leads to ${revision}`)],
  })
}

/** It stays with a canary whose pods come and go, for tests want to know of that; but it goes there only once one is ready. */
function previewed({ c, canary, phase, s }: Facts, present: string | undefined): string | undefined {
  const rollsOut = c !== undefined && (phase === 'Progressing' || phase === 'Promoting')
  return rollsOut && ((canary?.ready ?? 0) > 0 || present === c.revision) ? c.revision : s
}

/** Row 18p: tests reach the canary before any step can begin. */
export function openPreview(facts: Facts): Outcome | undefined {
  const preview = previewNow(facts)
  if (preview === undefined || whyRollBack(facts) !== undefined) return undefined
  return outcome('the preview stands', {
    action: writeRoutes(facts, preview, {}, { live: true }),
    events: [normal('PreviewOpened', `${preview.revision} can be reached by spec.preview.match`)],
  })
}

/** Row 13p: it has no ready pod any more, and only tests reach it: nothing has failed yet. */
export function closePreview(facts: Facts): Outcome | undefined {
  const { c, canary, exposure } = facts
  if (c === undefined || exposure === undefined || !isBeforeFirst(exposure) || (canary?.ready ?? 0) > 0) return undefined
  return outcome(`no pod of ${c.revision} is ready for the preview`, {
    action: writeRoutes(facts, undefined, {}),
    events: [normal('PreviewClosed', `no pod of ${c.revision} is ready: spec.preview.match leads to stable`)],
  })
}
