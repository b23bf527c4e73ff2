import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../runtime/object.ts'
import { OwnWrites } from './own-writes.ts'

const object = (resourceVersion: string, uid = 'u1'): KubeObject => ({ apiVersion: 'v1', kind: 'X', metadata: { name: 'x', uid, resourceVersion } })

describe('our own writes', () => {
  const after = (resourceVersion: string) => {
    const writes = new OwnWrites()
    writes.wrote('x', object(resourceVersion), 0)
    return writes
  }

  it('are waited for until the cache has caught up, by number', () => {
    expect(after('10').behind('x', object('9'), 1)).toContain('has not seen')
    expect(after('10').behind('x', object('10'), 1)).toBeUndefined()
    expect(after('10').behind('x', object('11'), 1)).toBeUndefined()
    expect(after('10').behind('y', object('1'), 1)).toBeUndefined()
  })

  it('of an object that was made are waited for, but not for ever: it may have come and gone', () => {
    expect(after('10').behind('x', undefined, 59_000)).toContain('has not seen')
    expect(after('10').behind('x', undefined, 60_000)).toBeUndefined()
  })

  it('are forgotten when a watch says that the object is gone', () => {
    const writes = after('10')
    writes.gone('x', 'u1')
    expect(writes.behind('x', undefined, 1)).toBeUndefined()
  })

  it('that deleted an object are waited for as well', () => {
    const writes = after('10')
    writes.deleted('x', 'u1')
    expect(writes.behind('x', object('12'), 1)).toContain('deleted')
    expect(writes.behind('x', object('13', 'u2'), 1)).toBeUndefined()
  })
})
