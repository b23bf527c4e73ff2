import { describe, expect, it } from 'vitest'
import { seenVersions, stableLast } from './versions.ts'
import { workloadOf } from './world.fixture.ts'

const at = (minute: number) => `2026-01-01T00:0${minute}:00.000Z`
const first = seenVersions([], [workloadOf('v1')], 'v1', at(0))
const order = (seen: readonly { revision: string }[]) => seen.map(({ revision }) => revision)

describe('the order of versions', () => {
  it('is the one in which they were first seen, not that of creation times', () => {
    const seen = seenVersions(first, [workloadOf('v1', { createdAt: 9 }), workloadOf('v2', { createdAt: 1 })], 'v1', at(1))
    expect(order(seen)).toEqual(['v1', 'v2'])
  })

  it('moves a version to the end when its template changes', () => {
    const both = seenVersions(first, [workloadOf('v1'), workloadOf('v2'), workloadOf('v3')], 'v1', at(1))
    const seen = seenVersions(both, [workloadOf('v1'), workloadOf('v2', { hash: 'new', generation: 2 }), workloadOf('v3')], 'v1', at(2))
    expect(order(seen)).toEqual(['v1', 'v3', 'v2'])
    expect(seen.at(-1)).toMatchObject({ hash: 'new', since: at(2) })
  })

  it('moves nothing for a hash that changed by itself, nor for a scale', () => {
    const both = seenVersions(first, [workloadOf('v1'), workloadOf('v2')], 'v1', at(1))
    expect(seenVersions(both, [workloadOf('v1'), workloadOf('v2', { hash: 'a new default' })], 'v1', at(2))).toEqual(both)
    const scaled = seenVersions(both, [workloadOf('v1'), workloadOf('v2', { generation: 2, replicas: 9 })], 'v1', at(2))
    expect(scaled.at(-1)).toMatchObject({ hash: 'hash-v2', generation: 2, since: at(1) })
  })

  it('remembers versions whose Deployment is gone, the oldest of them only up to 32', () => {
    const many = Array.from({ length: 40 }, (_, index) => workloadOf(`v${index + 2}`))
    const seen = seenVersions(seenVersions(first, many, 'v1', at(1)), [workloadOf('v1')], 'v1', at(2))
    expect(seen).toHaveLength(32)
    expect(order(seen)).toContain('v1')
  })

  it('puts stable last at adoption', () => {
    expect(order(stableLast(seenVersions([], [workloadOf('v1'), workloadOf('v0')], 'v1', at(0)), 'v1'))).toEqual(['v0', 'v1'])
  })
})
