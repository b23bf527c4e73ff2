/** A JSON object whose fields are not known. */
export type Fields = Record<string, unknown>

/** Tells a JSON object from every other JSON value. */
export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value at a path of field names; undefined where a step is missing. */
export const at = (value: unknown, ...path: readonly string[]): unknown => {
  let here = value
  for (const name of path) here = isFields(here) ? here[name] : undefined
  return here
}

/** The object at a path; an empty one where there is none. */
export const fieldsAt = (value: unknown, ...path: readonly string[]): Fields => {
  const found = at(value, ...path)
  return isFields(found) ? found : {}
}

/** The list at a path; an empty one where there is none. */
export const listAt = (value: unknown, ...path: readonly string[]): readonly unknown[] => {
  const found = at(value, ...path)
  return Array.isArray(found) ? found : []
}

/** The string at a path; empty where there is none. */
export const textAt = (value: unknown, ...path: readonly string[]): string => {
  const found = at(value, ...path)
  return typeof found === 'string' ? found : ''
}

/** The number at a path; 0 where there is none. */
export const numberAt = (value: unknown, ...path: readonly string[]): number => Number(at(value, ...path) ?? 0)

/** Sets the value at a path, making the objects on the way. */
export const setAt = (target: Fields, [first = '', ...rest]: readonly string[], value: unknown): void => {
  if (rest.length === 0) target[first] = value
  else {
    const child = fieldsAt(target, first)
    target[first] = child
    setAt(child, rest, value)
  }
}

/** A deep copy as JSON sees it: fields that are undefined are gone. */
export const clone = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

/** A deep copy without the fields that are null: a typed API does not tell them from missing ones. */
export const withoutNulls = <T>(value: T): T =>
  JSON.parse(JSON.stringify(value), (_, child: unknown) => (child === null ? undefined : child)) as T

/** Freezes a value to its depth. */
export const freeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const child of Object.values(value)) freeze(child)
  }
  return value
}

/** JSON text with fields in alphabetical order: equal values give equal text. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, child: unknown) =>
    isFields(child) ? Object.fromEntries(Object.entries(child).toSorted(([a], [b]) => (a < b ? -1 : 1))) : child,
  )
