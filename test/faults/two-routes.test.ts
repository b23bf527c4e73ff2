import { describe, it } from 'vitest'
import { atEdge, virtualService } from '../fixtures.ts'
import { befallEveryWrite, MOST_MS } from './every-write.ts'

const OBJECTS = [...atEdge(), virtualService()]
const isRoute = (write: string) => write.includes('virtualservices')

describe('of two VirtualServices that are written at once', () => {
  it('either may be left behind by an operator that dies', () => befallEveryWrite('crash-before', isRoute, { objects: OBJECTS }), MOST_MS)
  it('either may be written 20 s late', () => befallEveryWrite('lands-late', isRoute, { objects: OBJECTS }), MOST_MS)
})
