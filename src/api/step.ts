import * as z from 'zod'
import { parseDuration } from './duration.ts'
import { httpMatchSchema } from './match.ts'
import { parsePercent } from './percent.ts'
import { ruled } from './rule.ts'
import { atomic, duration, fields, integer, label, percent } from './scalar.ts'

const matches = () => atomic(httpMatchSchema, 1, 10)

/** The longest release, in steps, with every `upTo` written out. */
export const stepLimit = 50

/** What "for" is where a step does not say. */
export const defaultFor = '1m'

const stepFields = fields({
  name: label().describe('Name of the step, unique; for people. Assumed: step-1, step-2 and so on.').optional(),
  weight: percent().describe('Share of the requests that goes to the canary: an integer, or a string such as "2.5%". Assumed: 0.').optional(),
  upTo: percent().describe('Repeats the step at multiples of its weight, and at last at this share.').optional(),
  match: matches().describe('All requests that meet one of these go to the canary.').optional(),
  mirror: fields({
    percent: percent().describe('Share of the requests that is copied. Assumed: 100.').optional(),
    match: matches().describe('Only requests that meet one of these are copied. Assumed: all.').optional(),
  }).describe('Copies requests to the canary, whose answers are thrown away.').optional(),
  for: duration('0s', '168h').describe(`How long the step must have been observed. Assumed: ${defaultFor}.`).optional(),
  minRequests: integer(0, 10_000_000).describe('Requests that each metric must have judged before the step may pass. Assumed: analysis.minRequests; 0 in a step without weight and mirror.').optional(),
  deadline: duration('1s').describe('What the step still waits for after this long rolls the canary back.').optional(),
})

type StepFields = z.output<typeof stepFields>

const endOf = (step: StepFields) => parsePercent(step.upTo ?? step.weight ?? 0)
const beginningOf = (step: StepFields) => parsePercent(step.weight ?? 0)
const hundredths = (value: number | string) => Math.round(parsePercent(value) * 100)

/** The shares, in percent, that a step stands for: one, or the multiples of its weight up to `upTo`, which comes last. */
export function weightsOf(step: Pick<StepFields, 'weight' | 'upTo'>): readonly number[] {
  const first = hundredths(step.weight ?? 0)
  const last = step.upTo === undefined ? first : hundredths(step.upTo)
  const count = first === 0 ? 1 : Math.ceil(last / first)
  return Array.from({ length: count }, (_, index) => Math.min(first * (index + 1), last) / 100)
}

const percentCel = (field: string) => `(type(${field}) == int ? double(${field}) : double(string(${field}).replace('%', '')))`
const hundredthsCel = (field: string) => `int(${percentCel(field)} * 100.0 + 0.5)`

const stepSchema = ruled(
  stepFields.refine((step) => Object.keys(step).length > 0, 'must say something: write weight, match, mirror or for').meta({ minProperties: 1 }),
  [
    {
      cel: `!has(self.upTo) || (has(self.weight) && ${percentCel('self.weight')} > 0.0 && ${percentCel('self.weight')} <= ${percentCel('self.upTo')})`,
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
  ],
)

const beginningCel = (step: string) => `(has(${step}.weight) ? ${percentCel(`${step}.weight`)} : 0.0)`
const endCel = (step: string) => `(has(${step}.upTo) ? ${percentCel(`${step}.upTo`)} : ${beginningCel(step)})`
// CEL has no loop over positions, so they are written out.
const positions = `[${Array.from({ length: stepLimit - 1 }, (_, index) => index).join(', ')}]`

const names = (steps: readonly StepFields[]) => steps.flatMap((step) => step.name ?? [])

/** The exposures of a release in their order: none begins below the end of the one before. */
export const stepsSchema = ruled(atomic(stepSchema, 1, stepLimit), [
  {
    cel: `${positions}.all(i, i + 1 >= size(self) || ${beginningCel('self[i + 1]')} >= ${endCel('self[i]')})`,
    message: 'must not lower the weight from one step to the next: a step without weight comes first, and one without it after 25% needs weight: 25',
    holds: (steps) => steps.every((step, index) => {
      const before = steps[index - 1]
      return before === undefined || beginningOf(step) >= endOf(before)
    }),
  },
  {
    cel: 'self.all(s, !has(s.name) || self.exists_one(t, has(t.name) && t.name == s.name))',
    message: 'must not use one name for two steps',
    holds: (steps) => new Set(names(steps)).size === names(steps).length,
  },
  {
    cel: `self.map(s, has(s.upTo) && has(s.weight) && ${hundredthsCel('s.weight')} > 0 ? (${hundredthsCel('s.upTo')} + ${hundredthsCel('s.weight')} - 1) / ${hundredthsCel('s.weight')} : 1).sum() <= ${stepLimit}`,
    message: `must be at most ${stepLimit} steps with every upTo written out: write a larger weight or a smaller upTo`,
    holds: (steps) => steps.reduce((sum, step) => sum + weightsOf(step).length, 0) <= stepLimit,
  },
])
