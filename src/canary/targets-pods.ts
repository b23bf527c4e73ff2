const PREFIX = 'target-'

/**
 * The name that a target's own pods go by while they take over from the revisions that were made of it: no revision has
 * such a name, for theirs are hexadecimal digits alone. `hash` is that of their pod template, empty while there are none.
 */
export const targetsPods = (hash: string): string => PREFIX + hash

/** The `pod-template-hash` in such a name; undefined in any other. */
export const hashOfTargetsPods = (revision: string): string | undefined => (revision.startsWith(PREFIX) ? revision.slice(PREFIX.length) : undefined)
