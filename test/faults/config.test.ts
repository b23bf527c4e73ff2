import { describe, it } from 'vitest'
import { befallEveryWrite, endAsUndisturbed, MOST_MS } from './every-write.ts'

const of = { of: 'config' } as const
/** What revisions and their copies are made by: the rest is told of versions and targets. */
const isOfConfig = (write: string): boolean => /configmaps|deployments/.test(write)

describe('of a configuration, an operator that', () => {
  it('dies before it has made a copy or its Deployment is followed by one that ends where it would have', () => befallEveryWrite('crash-before', isOfConfig, of), MOST_MS)
  it('dies after it has made a copy or its Deployment, unanswered, is followed by one that ends where it would have', () => befallEveryWrite('crash-after', isOfConfig, of), MOST_MS)
  it('loses the answer to any of them decides again', () => befallEveryWrite('lost-answer', isOfConfig, of), MOST_MS)
  it('is refused any of them as a conflict decides again', () => befallEveryWrite('409', isOfConfig, of), MOST_MS)
  it('has any of them answered with an error decides again', () => befallEveryWrite('500', isOfConfig, of), MOST_MS)
  it('has any of them land 20 s late does no harm', () => befallEveryWrite('lands-late', isOfConfig, of), MOST_MS)
  it('decides on caches that stand still does no harm', () => befallEveryWrite('stale-caches', isOfConfig, of), MOST_MS)
  it('has a second beside it does no harm', () => endAsUndisturbed([{ name: 'two leaders', leaders: 2 }], of), MOST_MS)
})
