import { textsOf } from './json.ts'

/** The namespaces that see an object: all, or those of a set. Nothing written means all. */
export type Audience = 'all' | ReadonlySet<string>

/** Reads an `exportTo` written in an object of `namespace`. */
export function audienceOf(exportTo: unknown, namespace: string): Audience {
  const names = textsOf(exportTo)
  if (names.length === 0 || names.includes('*')) return 'all'
  return new Set(names.filter((name) => name !== '~').map((name) => (name === '.' ? namespace : name)))
}

/** Whether everyone in `wider` is in `audience` too. */
export const includesAll = (audience: Audience, wider: Audience): boolean =>
  audience === 'all' || (wider !== 'all' && [...wider].every((name) => audience.has(name)))
