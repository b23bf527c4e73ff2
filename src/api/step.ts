import * as z from 'zod'
import { atomic, fields } from './collection.ts'
import { parseDuration } from './duration.ts'
import { httpMatchSchema } from './match.ts'
import { parsePercent } from './percent.ts'
import { ruled } from './rule.ts'
import { duration, integer, label, percent, podCount } from './scalar.ts'

/** What "for" is where a step does not say. */
export const defaultFor = '1m'

const mostSteps = 50
const matches = () => atomic(httpMatchSchema, 1, 10)

const mirrorSchema = fields({
  percent: percent().describe('Share of the requests that is copied. Assumed: 100.').optional(),
  match: matches().describe('Only requests that meet one of these are copied. Assumed: all.').optional(),
})

const stepFields = fields({
  name: label().describe('Name of the step, unique; for people. Assumed: step-1, step-2 and so on.').optional(),
  weight: percent().describe('Share of the requests that goes to the canary. Assumed: 0.').optional(),
  upTo: percent().describe('Repeats the step at multiples of its weight, and at last at this share.').optional(),
  match: matches().describe('All requests that meet one of these go to the canary.').optional(),
  mirror: mirrorSchema.describe('Copies requests to the canary, whose answers are thrown away.').optional(),
  replicas: podCount(0)
    .describe('Pods of the canary in this step; 0 is a gate before any pod starts; with targetRef only. Assumed: canaryReplicas.')
    .optional(),
  for: duration('0s', '168h').describe(`How long the step must have been observed. Assumed: ${defaultFor}.`).optional(),
  minRequests: integer(0, 10_000_000)
    .describe('Requests that each metric must have judged. Assumed: analysis.minRequests; 0 in a step without weight and mirror.')
    .optional(),
  approval: z.enum(['Required']).describe('Somebody must approve the step (CanaryAction) once everything else has passed. Assumed: nobody.').optional(),
  deadline: duration('1s', '8784h').describe('Rolls the canary back if the step still waits after this long.').optional(),
})
  .refine((step) => Object.keys(step).length > 0, 'must say something: write weight, match, mirror, for or approval')
  .meta({ minProperties: 1 })

type WrittenStep = z.output<typeof stepFields>

const beginningOf = (step: WrittenStep) => parsePercent(step.weight ?? 0)
const endOf = (step: WrittenStep) => parsePercent(step.upTo ?? step.weight ?? 0)
const hundredthsOf = (share: number | string) => Math.round(parsePercent(share) * 100)

type Shares = Pick<WrittenStep, 'weight' | 'upTo'>
const firstOf = (step: Shares) => hundredthsOf(step.weight ?? 0)
const lastOf = (step: Shares) => hundredthsOf(step.upTo ?? step.weight ?? 0)

/** How many shares a step stands for: a number only, since a manifest may ask for more of them than memory holds. */
const countOf = (step: Shares) => (firstOf(step) === 0 ? 1 : Math.ceil(lastOf(step) / firstOf(step)))

/** The shares, in percent, that a step stands for: its weight, or the multiples of it up to `upTo`, which comes last. */
export function weightsOf(step: Shares): readonly number[] {
  const [first, last] = [firstOf(step), lastOf(step)]
  return Array.from({ length: countOf(step) }, (_, index) => Math.min(first * (index + 1), last) / 100)
}

// The same three in CEL, where a share is an int or a string.
const percentIn = (share: string) => `(type(${share}) == int ? double(${share}) : double(string(${share}).replace('%', '')))`
const hundredthsIn = (share: string) => `int(${percentIn(share)} * 100.0 + 0.5)`
const beginningIn = (step: string) => `(has(${step}.weight) ? ${percentIn(`${step}.weight`)} : 0.0)`
const endIn = (step: string) => `(has(${step}.upTo) ? ${percentIn(`${step}.upTo`)} : ${beginningIn(step)})`
const countIn = (step: string) => {
  const [first, last] = [hundredthsIn(`${step}.weight`), hundredthsIn(`${step}.upTo`)]
  return `(has(${step}.upTo) && has(${step}.weight) && ${first} > 0 ? (${last} + ${first} - 1) / ${first} : 1)`
}

const stepSchema = ruled(stepFields, [
  {
    cel: `!has(self.upTo) || (${beginningIn('self')} > 0.0 && ${beginningIn('self')} <= ${endIn('self')})`,
    message: 'needs a weight above 0 and not above upTo: upTo: 50 with weight: 10 stands for 10, 20, 30, 40, 50',
    holds: (step) => step.upTo === undefined || (beginningOf(step) > 0 && beginningOf(step) <= endOf(step)),
    path: 'upTo',
  },
  {
    cel: `!has(self.deadline) || duration(self.deadline) >= duration(has(self.__for__) ? self.__for__ : '${defaultFor}')`,
    message: `must not be shorter than "for" (${defaultFor} where it is not written)`,
    holds: (step) => step.deadline === undefined || parseDuration(step.deadline) >= parseDuration(step.for ?? defaultFor),
    path: 'deadline',
  },
  {
    cel: "!has(self.replicas) || !(self.replicas == 0 || self.replicas == '0%') || !(has(self.weight) || has(self.match) || has(self.mirror))",
    message: 'must not be 0 in a step with weight, match or mirror: nobody would answer',
    holds: ({ replicas, weight, match, mirror }) =>
      (replicas !== 0 && replicas !== '0%') || (weight === undefined && match === undefined && mirror === undefined),
    path: 'replicas',
  },
])

// CEL has no loop over positions, so they are written out.
const positions = `[${Array.from({ length: mostSteps - 1 }, (_, index) => index).join(', ')}]`

const namesOf = (steps: readonly WrittenStep[]) => steps.flatMap((step) => step.name ?? [])

/** The exposures of a release, in their order: none begins below the end of the one before. */
export const stepsSchema = ruled(atomic(stepSchema, 1, mostSteps), [
  {
    cel: `${positions}.all(i, i + 1 >= size(self) || ${beginningIn('self[i + 1]')} >= ${endIn('self[i]')})`,
    message: 'must not lower the weight from one step to the next: no weight is 0, so after 25% write weight: 25 there too',
    holds: (steps) => steps.every((step, index) => index === 0 || beginningOf(step) >= endOf(steps[index - 1] ?? {})),
  },
  {
    cel: 'self.all(s, !has(s.name) || self.exists_one(t, has(t.name) && t.name == s.name))',
    message: 'must not use one name for two steps',
    holds: (steps) => new Set(namesOf(steps)).size === namesOf(steps).length,
  },
  {
    cel: `self.map(s, ${countIn('s')}).sum() <= ${mostSteps}`,
    message: `must be at most ${mostSteps} steps with every upTo written out: write a larger weight or a smaller upTo`,
    holds: (steps) => steps.reduce((sum, step) => sum + countOf(step), 0) <= mostSteps,
  },
])
