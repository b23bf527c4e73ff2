import type { HeaderChanges, StringMap } from './route-objects.ts'

/** Headers after a route's and a destination's changes, in that order: set, then add, then remove. */
export function applyHeaders(headers: StringMap, changes: readonly HeaderChanges['request'][]): StringMap {
  if (changes.every((change) => change === undefined)) return headers
  const result: Record<string, string> = { ...headers }
  for (const { set = {}, add = {}, remove = [] } of changes.filter((change) => change !== undefined)) {
    for (const [name, value] of Object.entries(set)) result[name.toLowerCase()] = value
    for (const [name, value] of Object.entries(add)) {
      const before = result[name.toLowerCase()]
      result[name.toLowerCase()] = before === undefined ? value : `${before}, ${value}`
    }
    for (const name of remove) delete result[name.toLowerCase()]
  }
  return result
}
