import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../runtime/object.ts'
import { OwnWrites } from './own-writes.ts'

const object = (resourceVersion: string, uid = 'u1'): KubeObject => ({ apiVersion: 'v1', kind: 'X', metadata: { name: 'x', uid, resourceVersion } })

describe('our own writes', () => {
  const written = object('10')
  const after = () => {
    const writes = new OwnWrites()
    writes.wrote('x', written, 0)
    return writes
  }

  it('stand until the cache has caught up, by number', () => {
    expect(after().newest('x', object('9'), 1)).toBe(written)
    expect(after().newest('x', object('10'), 1)).toEqual(written)
    expect(after().newest('x', object('11'), 1)).toEqual(object('11'))
    expect(after().newest('y', object('1'), 1)).toEqual(object('1'))
  })

  it('of an object that was made stand, but not for ever: it may have come and gone', () => {
    expect(after().newest('x', undefined, 59_000)).toBe(written)
    expect(after().newest('x', undefined, 60_000)).toBeUndefined()
  })

  it('are forgotten when a watch says that the object is gone', () => {
    const writes = after()
    writes.gone('x', 'u1')
    expect(writes.newest('x', undefined, 1)).toBeUndefined()
  })

  it('that deleted an object stand against a cache that still has it, not against another in its place', () => {
    const writes = after()
    writes.deleted('x', 'u1')
    expect(writes.newest('x', object('12'), 1)).toBeUndefined()
    expect(writes.newest('x', object('13', 'u2'), 1)).toEqual(object('13', 'u2'))
  })
})
