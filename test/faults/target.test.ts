import { describe, it } from 'vitest'
import { befallEveryWrite, endAsUndisturbed, MOST_MS } from './every-write.ts'

const of = { of: 'target' } as const
/** What only a target has: the rest is told of versions. */
const isOfTarget = (write: string): boolean => /deployments|canaries /.test(`${write} `) && !/status/.test(write)

describe('of a plain Deployment, an operator that', () => {
  it('dies before any of its writes is followed by one that ends where it would have', () => befallEveryWrite('crash-before', isOfTarget, of), MOST_MS)
  it('dies after any of its writes, unanswered, is followed by one that ends where it would have', () => befallEveryWrite('crash-after', isOfTarget, of), MOST_MS)
  it('is refused any of its writes as a conflict decides again', () => befallEveryWrite('409', isOfTarget, of), MOST_MS)
  it('has any of its writes answered with an error decides again', () => befallEveryWrite('500', isOfTarget, of), MOST_MS)
  it('has any of its writes land 20 s late does no harm', () => befallEveryWrite('lands-late', isOfTarget, of), MOST_MS)
  it('decides on caches that stand still does no harm', () => befallEveryWrite('stale-caches', isOfTarget, of), MOST_MS)
  it('has a second beside it does no harm', () => endAsUndisturbed([{ name: 'two leaders', leaders: 2 }], of), MOST_MS)
})
