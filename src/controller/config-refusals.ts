import { mostConfig } from '../api/status.ts'
import type { Refusal } from '../canary/world.ts'
import { TRACK } from './stamps.ts'

/** What is tracked, as far as it forbids a release. */
export type Tracked = {
  /** Secrets are wished for, and may not be read. */
  readonly withoutSecrets: boolean
  readonly count: number
  /** What could not be read, and why. */
  readonly failing: { readonly id: string; readonly why: string } | undefined
}

/** Why nothing may be released while its configuration is as it is. */
export function configRefusals({ withoutSecrets, count, failing }: Tracked): readonly Refusal[] {
  const refusals: readonly (Refusal | undefined)[] = [
    withoutSecrets ? { reason: 'SecretsNotTracked', message: 'spec.trackConfig: All also needs Secrets, which Serin may not read here: install it with trackSecrets: true, or write ConfigMaps' } : undefined,
    count > mostConfig ? { reason: 'TooManyConfigs', message: `the pods are configured with ${count} objects, ${mostConfig} can be tracked: leave some out with the annotation ${TRACK}: "false", or write spec.trackConfig: None` } : undefined,
    failing && { reason: 'ConfigUnreadable', message: `${failing.id} cannot be read: ${failing.why}` },
  ]
  return refusals.filter((refusal) => refusal !== undefined)
}

/** Why a revision gets no first pod: none could start. */
export const configAbsent = (id: string, target: string): Refusal =>
  ({ reason: 'ConfigNotFound', message: `${id}, without which no pod of ${target} starts, does not exist: apply it` })
