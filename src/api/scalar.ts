import * as z from 'zod'
import { durationPattern, parseDuration } from './duration.ts'
import { percentPattern } from './percent.ts'
import { ruled } from './rule.ts'

const instead = (error: string) => ({
  error: ({ input }: { readonly input?: unknown }) => (input === undefined ? `is missing: it ${error}` : error),
})

/** Text of one shape. A wrong one ends the parse there (`abort`), so that rules see only values of the right shape. */
export const text = (pattern: RegExp, most: number, error: string) =>
  z.string(instead(error)).max(most, { error, abort: true }).regex(pattern, { error, abort: true })

const intOrString = (integer: z.ZodInt, string: z.ZodString, error: string) =>
  z.union([integer, string], instead(error)).meta({ 'x-kubernetes-int-or-string': true })

/** A DNS label: the name of a Service, namespace, step or metric. */
export const label = () =>
  text(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 63, 'must be a DNS label: at most 63 of a-z, 0-9 and "-", such as "reviews-v2"')

/** The name of an object: a DNS subdomain. */
export const name = () =>
  text(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, 253, 'must be a name: at most 253 of a-z, 0-9, "-" and "."')

const labelKeyPattern = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/

/** The key of a Kubernetes label. */
export const labelKey = () => text(labelKeyPattern, 317, 'must be a label key such as "version" or "app.kubernetes.io/name"')

const labelValueError = 'must be a label value: at most 63 of letters, digits, "-", "_" and ".", such as "v1.2.3"'

/** The value of a Kubernetes label; may be empty. */
export const labelValue = () => text(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/, 63, labelValueError)

/** A GEP-2257 duration between two others, both allowed. */
export const duration = (least: string, most: string) =>
  ruled(text(durationPattern, 24, 'must be a duration like 30s, 5m or 1h30m'), [{
    cel: `duration(self) >= duration('${least}') && duration(self) <= duration('${most}')`,
    message: `must be between ${least} and ${most}`,
    holds: (value) => parseDuration(value) >= parseDuration(least) && parseDuration(value) <= parseDuration(most),
  }])

const percentError = 'must be an integer from 0 to 100 or a string such as "2.5%"'

/** A share: an integer from 0 to 100, or text with up to two digits after the point. */
export const percent = () =>
  intOrString(z.int(percentError).min(0).max(100), text(percentPattern, 8, percentError), percentError)

const boundError = 'must be a limit such as "1%", "500ms" or "1.5s"'

/** A limit, before its metric says in which unit it is. */
export const bound = () =>
  intOrString(z.int(boundError), text(/^-?[0-9]{1,9}(\.[0-9]{1,6})?(%|ms|s)?$/, 24, boundError), boundError)

const percentileError = 'must be an integer from 1 to 99 or a string such as "99.9"'

/** A percentile from 1 up to, and without, 100. */
export const percentile = () =>
  intOrString(z.int(percentileError).min(1).max(99), text(/^[1-9][0-9]?(\.[0-9]{1,3})?$/, 6, percentileError), percentileError)

/** An integer between two others, both allowed. */
export const integer = (least: number, most: number) =>
  z.int(`must be an integer between ${least} and ${most}`).min(least).max(most)

const replicasError = (least: number) => `must be an integer from ${least} to 10000 or a share of the replicas from ${least}% to 100%`

/** A number of pods: an integer, or a share of stable's replicas in whole percent; both at least `least`, 0 or 1. */
export const podCount = (least: 0 | 1) => {
  const pattern = least === 0 ? /^(100|[0-9]{1,2})%$/ : /^(100|[1-9][0-9]?)%$/
  return intOrString(z.int(replicasError(least)).min(least).max(10_000), text(pattern, 4, replicasError(least)), replicasError(least))
}
