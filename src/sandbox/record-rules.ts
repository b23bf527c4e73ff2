import { isDeepStrictEqual as equal } from 'node:util'
import type { Admission } from './admission.ts'
import { at, numberAt, textAt } from './json.ts'
import { invalidValue, required, type Cause } from './refusals.ts'

const longest: readonly (readonly [field: string, characters: number])[] = [['message', 1024], ['reason', 128], ['action', 128], ['reportingInstance', 128]]
const needed: readonly string[] = ['eventTime', 'reportingComponent', 'reportingInstance', 'reason', 'action']
const fixed: readonly string[] = ['involvedObject', 'related', 'reason', 'message', 'type', 'action', 'reportingComponent', 'reportingInstance', 'eventTime']

/** Events in their stored form. Those without an eventTime that come in by the core group are older than these rules. */
export const admitEvent = ({ draft, previous, group }: Admission): readonly Cause[] => {
  if (group === '' && draft['eventTime'] === undefined) return []
  const missing = needed.filter((field) => textAt(draft, field) === '')
  const long = longest.filter(([field, characters]) => Buffer.byteLength(textAt(draft, field)) > characters)
  const moved = previous === undefined ? [] : fixed.filter((field) => !equal(previous[field], draft[field]))
  const { type, series } = draft
  return [
    ...missing.map(required),
    ...long.map(([field, characters]) => invalidValue(field, '', `can have at most ${characters} characters`)),
    ...(type === 'Normal' || type === 'Warning' ? [] : [invalidValue('type', '', `has invalid value: ${String(type)}`)]),
    ...(series !== undefined && numberAt(series, 'count') < 2 ? [invalidValue('series.count', '', 'should be at least 2')] : []),
    ...moved.map((field) => invalidValue(field, draft[field], 'field is immutable')),
  ]
}

/** Leases: what they count is positive. */
export const admitLease = ({ draft }: Admission): readonly Cause[] => {
  const duration = at(draft, 'spec', 'leaseDurationSeconds')
  const transitions = at(draft, 'spec', 'leaseTransitions')
  return [
    ...(duration === undefined || Number(duration) > 0 ? [] : [invalidValue('spec.leaseDurationSeconds', duration, 'must be greater than 0')]),
    ...(transitions === undefined || Number(transitions) >= 0 ? [] : [invalidValue('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')]),
  ]
}
