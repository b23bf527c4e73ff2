import type { HTTPMatch } from '../api/canary.ts'
import type { Settings, Step } from '../api/settings.ts'
import type { Exposure } from './ledger.ts'
import { sha256 } from './sha256.ts'
import { canonicalJson } from './template-hash.ts'

/** Names of lists of steps that were asked for before: a pass asks a dozen times. */
const plans = new WeakMap<Settings['steps'], string>()

/** Names the content of the steps: an edit of them in mid-rollout changes it. */
export function planOf({ steps }: Pick<Settings, 'steps'>): string {
  const plan = plans.get(steps) ?? sha256(canonicalJson(steps)).slice(0, 10)
  plans.set(steps, plan)
  return plan
}

/** What every exposure gives to tests, and the one that stands before the first step; nothing where a step wants no pod yet. */
const previewOf = ({ preview: { match }, steps }: Settings, index: number): Pick<Exposure, 'preview'> =>
  (match.length === 0 || wantsNoPod(steps[index]) ? {} : { preview: match })

const wantsNoPod = ({ replicas }: Pick<Step, 'replicas'> = {}): boolean =>
  replicas !== undefined && ('pods' in replicas ? replicas.pods : replicas.percent) === 0

/** Nothing but the preview, from the canary's first ready pod on; undefined where none is asked for. */
export const previewExposure = (settings: Settings, revision: string): Exposure | undefined =>
  settings.preview.match.length === 0 ? undefined : { revision, weight: 0, match: [], ...previewOf(settings, -1), step: -1, plan: planOf(settings) }

/** No step has begun: tests may reach the canary, users do not. */
export const isBeforeFirst = ({ step, weight }: Exposure): boolean => step < 0 && weight === 0

/** The same exposure, with preview and affinity as they are wanted now; undefined where it is that already. */
export function reworded(exposure: Exposure, settings: Settings, rollout: string): Exposure | undefined {
  const { preview: _preview, sticky: _sticky, ...bare } = exposure
  const wanted = { ...bare, ...previewOf(settings, bare.step), ...stickyOf(bare.weight, exposure, { settings, rollout }) }
  return canonicalJson(wanted) === canonicalJson(exposure) ? undefined : wanted
}

/** `next` with the cookie that keeps users where they are; whom `before` drew for stable is drawn again. */
export const withAffinity = (next: Exposure, before: Exposure | undefined, context: { readonly settings: Settings; readonly rollout: string }): Exposure =>
  ({ ...next, ...stickyOf(next.weight, before, context) })

function stickyOf(weight: number, before: Exposure | undefined, { settings: { sessionAffinity }, rollout }: { readonly settings: Settings; readonly rollout: string }): Pick<Exposure, 'sticky'> {
  if (sessionAffinity === undefined) return {}
  const earlier = before?.sticky === undefined ? [] : [...before.sticky.drawn, before.weight]
  const drawn = [...new Set(earlier)].filter((one) => one > 0 && one < weight)
  return { sticky: { ...sessionAffinity, id: sha256(rollout).slice(0, 10), drawn } }
}

/** The exposure of step `index`; all of it, still beside stable, past the last one. */
export function exposureOf(settings: Settings, revision: string, index: number): Exposure {
  const step = settings.steps[index]
  const plan = planOf(settings)
  if (step === undefined) return { revision, weight: 100, match: [], ...previewOf(settings, index), step: settings.steps.length, plan }
  const { weight, match, mirror } = step
  return { revision, weight, match, ...(mirror === undefined ? {} : { mirror }), ...previewOf(settings, index), step: index, plan }
}

/** After an edit of the steps: where the present weight belongs now. -1 when below all of them. */
export const placeOf = (settings: Settings, weight: number): number =>
  settings.steps.reduce((place, step, index) => (step.weight <= weight ? index : place), -1)

/** The step whose `for`, evidence and deadline hold for what is exposed; past the last one, the last one's. */
export const stepAt = (settings: Settings, index: number): Step | undefined =>
  settings.steps[Math.min(Math.max(index, 0), settings.steps.length - 1)]

/** Promotion has begun: everything is exposed, and only the pointer has still to move. */
export const isPromoting = (settings: Settings, exposure: Exposure | undefined): boolean =>
  exposure !== undefined && exposure.plan === planOf(settings) && exposure.step >= settings.steps.length

/** Pods of the canary for an exposure: what the step or the spec says, else what it needs; all of stable's once promotion begins. */
export function podsWanted(settings: Settings, exposure: Exposure, stablePods: number): number {
  if (exposure.step >= settings.steps.length) return Math.max(1, stablePods)
  const said = settings.steps[exposure.step]?.replicas ?? (settings.source.kind === 'target' ? settings.source.canaryReplicas : undefined)
  if (said === undefined) return podsNeeded(exposure, stablePods)
  return 'pods' in said ? said.pods : said.percent === 0 ? 0 : Math.max(1, Math.ceil((stablePods * said.percent) / 100))
}

/**
 * Pods the canary needs before it may take this: its share of weight and mirror of stable's pods, at least one;
 * all of them where a match may take everybody.
 */
export function podsNeeded(exposure: Exposure, stablePods: number): number {
  if ([...exposure.match, ...(exposure.preview ?? [])].some(takesEverybody)) return Math.max(1, stablePods)
  const share = Math.min(100, exposure.weight + (exposure.mirror?.percent ?? 0))
  return Math.max(1, Math.ceil((stablePods * share) / 100))
}

const takesEverybody = (match: HTTPMatch): boolean =>
  match.headers === undefined &&
  match.cookies === undefined &&
  match.claims === undefined &&
  match.queryParams === undefined &&
  match.sourceLabels === undefined &&
  match.sourceNamespace === undefined
