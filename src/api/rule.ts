import type * as z from 'zod'

/**
 * A rule that a type cannot say, twice: `cel` for the API server, where `self` is the value, and `holds` for whoever
 * parses a manifest. Both have the same answer for every value of the right shape. A rule about a change (`oldSelf`)
 * has no `holds`. `path` names the field to blame, inside the value.
 */
export type Rule<T> = {
  readonly cel: string
  readonly message: string
  readonly holds?: (value: T) => boolean
  readonly path?: string
}

/** The schema with its rules: checked when parsing, and carried into the CRD. */
export function ruled<S extends z.ZodType>(schema: S, rules: readonly Rule<z.output<S>>[]): S {
  const checked = schema.check(({ value, issues }) => {
    const broken = rules.filter(({ holds }) => holds?.(value) === false)
    for (const { message, path } of broken) {
      issues.push({ code: 'custom', input: value, message, path: path === undefined ? [] : [path], continue: true })
    }
  })
  const validations = rules.map(({ cel, message, path }) => (
    { rule: cel, message, ...(path !== undefined && { fieldPath: `.${path}` }) }
  ))
  return checked.meta({ 'x-kubernetes-validations': validations })
}
