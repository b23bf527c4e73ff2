/** A Canary, as far as the limits of the fleet are concerned. */
export type Member = {
  /** "namespace/name". */
  readonly key: string
  readonly namespace: string
  /** Its release has begun and has not ended. */
  readonly isUnderWay: boolean
  /** Since when it waits to begin one, milliseconds since the epoch; undefined when it does not. */
  readonly waitsSince: number | undefined
}

/** How many releases may be under way at once; Infinity: any number. */
export type Limits = { readonly cluster: number; readonly namespace: number }

const MOST_NAMES = 5

/** Those in line that may begin now: who came first goes first, but whoever waits for its own namespace holds up no other. */
export function admitted(members: readonly Member[], limits: Limits): ReadonlySet<string> {
  const underWay = members.filter(({ isUnderWay }) => isUnderWay).map(({ namespace }) => namespace)
  const may = new Set<string>()
  for (const { key, namespace } of inLine(members)) {
    if (underWay.length >= limits.cluster || countOf(underWay, namespace) >= limits.namespace) continue
    underWay.push(namespace)
    may.add(key)
  }
  return may
}

/** Why the member under `key`, which is in line, may not begin now; undefined when it may. */
export function slotRefusal(members: readonly Member[], limits: Limits, { key, namespace }: Pick<Member, 'key' | 'namespace'>): string | undefined {
  if (admitted(members, limits).has(key)) return undefined
  const underWay = members.filter(({ isUnderWay }) => isUnderWay)
  const here = underWay.filter((member) => member.namespace === namespace)
  const names = (some: readonly Member[]) => namesOf(some, namespace)
  if (underWay.length >= limits.cluster) return `waits for a free slot: ${underWay.length} of ${limits.cluster} rollouts under way ${names(underWay)}`
  if (here.length >= limits.namespace) return `waits for a free slot: ${here.length} of ${limits.namespace} rollouts under way in this namespace ${names(here)}`
  const line = inLine(members)
  return `waits for a free slot: others have waited longer ${names(line.slice(0, line.findIndex((member) => member.key === key)))}`
}

const inLine = (members: readonly Member[]) =>
  members.flatMap(({ isUnderWay, waitsSince, ...member }) => (isUnderWay || waitsSince === undefined ? [] : [{ ...member, isUnderWay, waitsSince }]))
    .sort((a, b) => a.waitsSince - b.waitsSince || (a.key < b.key ? -1 : 1))

const countOf = (namespaces: readonly string[], namespace: string): number => namespaces.filter((each) => each === namespace).length

/** "(reviews, shop/cart and 2 more)": without the namespace where it is the reader's own. */
function namesOf(members: readonly Member[], namespace: string): string {
  const names = members.map(({ key }) => (key.startsWith(`${namespace}/`) ? key.slice(namespace.length + 1) : key)).sort()
  const more = names.length - MOST_NAMES
  return `(${names.slice(0, MOST_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''})`
}
