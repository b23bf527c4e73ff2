import { describe, expect, it } from 'vitest'
import { createLog } from './log.ts'
import type { KubeObject } from './object.ts'
import { createStore } from './store.ts'

const pod = (name: string, overrides: Partial<KubeObject['metadata']> = {}, spec: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'test', uid: `uid-${name}`, resourceVersion: '1', ...overrides },
  spec,
})

const harness = () => {
  const lines: string[] = []
  const changes: string[] = []
  const { store, writer } = createStore({
    log: createLog({ level: 'error', destination: { write: (line) => void lines.push(line) } }),
    indexes: {
      app: ({ metadata }) => [metadata.labels?.['app'] ?? []].flat(),
      broken: () => {
        throw new Error('a broken index')
      },
    },
  })
  const version = (object: KubeObject | undefined) =>
    object === undefined ? '-' : `${object.metadata.uid}@${object.metadata.resourceVersion}`
  const stop = store.onChange((next, previous) => changes.push(`${version(previous)} → ${version(next)}`))
  const names = (objects: readonly KubeObject[]) => objects.map(({ metadata }) => metadata.name)
  return { store, writer, changes, lines, stop, names }
}

describe('a store', () => {
  it('tells comings, changes and goings, and a new uid as both a going and a coming', () => {
    const { writer, changes, stop } = harness()
    writer.set(pod('a'))
    writer.set(pod('a', { resourceVersion: '2' }))
    writer.set(pod('a', { resourceVersion: '2' }))
    writer.set(pod('a', { resourceVersion: '5', uid: 'again' }))
    writer.remove('test/a')
    writer.remove('test/a')
    stop()
    writer.set(pod('a'))
    expect(changes).toEqual(['- → uid-a@1', 'uid-a@1 → uid-a@2', 'uid-a@2 → -', '- → again@5', 'again@5 → -'])
  })

  it('replaces its content by telling only what differs, once all of it is readable', () => {
    const { store, writer, changes } = harness()
    writer.replace([pod('a'), pod('b'), pod('c')])
    changes.length = 0
    const sizes: number[] = []
    store.onChange(() => sizes.push(store.list().length))
    writer.replace([pod('b'), pod('c', { resourceVersion: '2' }), pod('d'), pod('e')])
    expect(changes).toEqual(['uid-a@1 → -', 'uid-c@1 → uid-c@2', '- → uid-d@1', '- → uid-e@1'])
    expect(sizes).toEqual([4, 4, 4, 4])
  })

  it('follows an object from one index value to another', () => {
    const { store, writer, names } = harness()
    writer.set(pod('a', { labels: { app: 'x' } }))
    writer.set(pod('b', { labels: { app: 'x' } }))
    expect(names(store.by('app', 'x'))).toEqual(['a', 'b'])
    writer.set(pod('a', { labels: { app: 'y' }, resourceVersion: '2' }))
    expect([names(store.by('app', 'x')), names(store.by('app', 'y'))]).toEqual([['b'], ['a']])
    writer.remove('test/b')
    expect(store.by('app', 'x')).toEqual([])
    expect(() => store.by('nonsense', 'x')).toThrow('no index "nonsense"')
  })

  it('has the content of one namespace replaced without a word about the others', () => {
    const { store, writer, changes, names } = harness()
    const elsewhere = pod('c', { namespace: 'other' })
    writer.replace([pod('a'), pod('b'), elsewhere])
    changes.length = 0
    writer.replace([pod('b')], 'test')
    expect([names(store.list()), changes.length]).toEqual([['b', 'c'], 1])
    writer.replace([], 'other')
    expect(names(store.list())).toEqual(['b'])
  })

  it('freezes what it holds to the ground', () => {
    const { store, writer } = harness()
    const containers = [{ image: 'one' }]
    writer.set(pod('a', {}, { containers }))
    expect(store.get('test/a')?.['spec']).toEqual({ containers: [{ image: 'one' }] })
    expect(() => containers.push({ image: 'two' })).toThrow(TypeError)
    expect(() => Object.assign(containers[0] ?? {}, { image: 'two' })).toThrow(TypeError)
  })

  it('survives a listener and an index that throw, and says so in the log', () => {
    const { store, writer, changes, lines } = harness()
    store.onChange(() => {
      throw new Error('a broken listener')
    })
    const after: string[] = []
    store.onChange((next) => after.push(next?.metadata.name ?? '-'))
    writer.set(pod('a'))
    expect([changes.length, after, store.by('broken', 'x')]).toEqual([1, ['a'], []])
    expect(lines.join('')).toMatch(/a broken index[\s\S]*a broken listener/)
  })
})
