import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { ListPage, ListWatch, WatchEvent } from './list-watch.ts'
import { createLog } from './log.ts'
import type { KubeObject } from './object.ts'
import { Reflector, type ReflectorOptions } from './reflector.ts'
import { createStore } from './store.ts'
import { VirtualClock } from './virtual-clock.ts'

const object = (name: string, resourceVersion: number, uid = `uid-${name}`): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'test', uid, resourceVersion: String(resourceVersion), managedFields: ['much'] },
})

const added = (name: string, version: number, uid?: string): WatchEvent => ({ type: 'ADDED', object: object(name, version, uid) })
const page = (resourceVersion: number, ...items: readonly KubeObject[]): ListPage => ({
  items,
  resourceVersion: String(resourceVersion),
})
const refusal = (status: number) => Object.assign(new Error(`HTTP ${status}`), { status })

type WatchStep = WatchEvent | Error | 'silence' | { readonly sleepMs: number }

/** An API server that answers by script: each list and each watch takes the next entry; beyond the last, watches are silent. */
const scripted = (clock: VirtualClock, lists: readonly (ListPage | Error)[], watches: readonly (readonly WatchStep[])[]) => {
  const requests: string[] = []
  const remainingLists = [...lists]
  const remainingWatches = [...watches]
  const listWatch: ListWatch = {
    list: (next) => {
      requests.push(`${clock.monotonic()} list${next === undefined ? '' : ` ${next}`}`)
      const answer = remainingLists.shift() ?? new Error('no list is left in the script')
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
    },
    watch: async function* ({ resourceVersion }, signal) {
      requests.push(`${clock.monotonic()} watch ${resourceVersion}`)
      for (const step of remainingWatches.shift() ?? ['silence' as const]) {
        if (step instanceof Error) throw step
        if (step === 'silence') await clock.sleep(Number.MAX_SAFE_INTEGER, signal)
        else if ('sleepMs' in step) await clock.sleep(step.sleepMs, signal)
        else yield step
      }
    },
  }
  return { listWatch, requests }
}

const harness = (
  script: (clock: VirtualClock) => ReturnType<typeof scripted>,
  overrides: Partial<ReflectorOptions<KubeObject>> = {},
) => {
  const clock = new VirtualClock()
  const { listWatch, requests } = script(clock)
  const lines: string[] = []
  const log = createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } })
  const { store, writer } = createStore({ log })
  const changes: string[] = []
  store.onChange((next, previous) => {
    const kind = previous === undefined ? 'add' : next === undefined ? 'delete' : 'change'
    changes.push(`${kind} ${(next ?? previous)?.metadata.name}`)
  })
  const stop = new AbortController()
  const prune = ({ apiVersion, kind, metadata: { name, namespace = '', uid, resourceVersion } }: KubeObject): KubeObject => ({
    apiVersion,
    kind,
    metadata: { name, namespace, uid, resourceVersion },
  })
  const reflector = new Reflector({ name: 'pods', listWatch, writer, prune, clock, log, random: () => 0, ...overrides })
  return { clock, reflector, store, changes, requests, lines, stop, running: reflector.run(stop.signal) }
}

describe('a reflector', () => {
  it('is synced once all pages are in, prunes what it keeps, and follows the watch from the version of the list', async () => {
    const { clock, reflector, store, changes, requests } = harness((time) =>
      scripted(
        time,
        [{ ...page(10, object('a', 1)), next: 'page-2' }, page(10, object('b', 2))],
        [
          [
            { sleepMs: 5_000 },
            added('c', 11),
            { type: 'MODIFIED', object: object('a', 12) },
            { type: 'DELETED', object: object('b', 13) },
            'silence',
          ],
        ],
      ),
    )
    await reflector.synced
    expect(changes).toEqual(['add a', 'add b'])
    await clock.advance(5_000)
    expect(changes.slice(2)).toEqual(['add c', 'change a', 'delete b'])
    expect(store.list().map(({ metadata }) => metadata)).toEqual([
      { name: 'a', namespace: 'test', uid: 'uid-a', resourceVersion: '12' },
      { name: 'c', namespace: 'test', uid: 'uid-c', resourceVersion: '11' },
    ])
    expect(requests).toEqual(['0 list', '0 list page-2', '0 watch 10'])
    expect(reflector.filled).toBe(true)
  })

  it('goes on from the last event or bookmark when a watch ends or breaks, after a growing pause where it broke', async () => {
    const { clock, requests } = harness((time) =>
      scripted(
        time,
        [page(10)],
        [
          [{ sleepMs: 60_000 }, { type: 'BOOKMARK', resourceVersion: '50' }],
          [added('a', 60), new Error('ECONNRESET')],
          [new Error('ECONNREFUSED')],
          [refusal(429)],
          [{ sleepMs: 10_000 }, refusal(500)],
        ],
      ),
    )
    await clock.advance(100_000)
    expect(requests).toEqual([
      '0 list',
      '0 watch 10',
      '60000 watch 50',
      '60800 watch 60',
      '62400 watch 60',
      '65600 watch 60',
      '76400 watch 60',
    ])
  })

  it('lists again after a compaction and tells only what changed meanwhile, a recreated object as two changes', async () => {
    const { clock, changes, requests, store } = harness((time) =>
      scripted(
        time,
        [
          page(10, object('a', 1), object('b', 2), object('c', 3)),
          page(90, object('a', 1), object('c', 80, 'another'), object('d', 85)),
        ],
        [[{ sleepMs: 1_000 }, refusal(410)]],
      ),
    )
    await clock.advance(5_000)
    expect(requests).toEqual(['0 list', '0 watch 10', '1800 list', '1800 watch 90'])
    expect(changes.slice(3)).toEqual(['delete b', 'delete c', 'add c', 'add d'])
    expect(store.get('test/c')?.metadata.uid).toBe('another')
  })

  it('starts the list again where its page token expires, and shows nothing of the half of it', async () => {
    const { clock, requests, changes } = harness((time) =>
      scripted(time, [{ ...page(10, object('a', 1)), next: 'page-2' }, refusal(410), page(20, object('b', 2))], []),
    )
    await clock.advance(5_000)
    expect(requests).toEqual(['0 list', '0 list page-2', '800 list', '800 watch 20'])
    expect(changes).toEqual(['add b'])
  })

  it('drops a connection that stays silent beyond the end of the watch', async () => {
    const { clock, requests, lines } = harness((time) => scripted(time, [page(10)], [['silence']]), { watchMs: 60_000 })
    await clock.advance(69_999)
    expect(requests).toHaveLength(2)
    await clock.advance(801)
    expect(requests.at(-1)).toBe('70800 watch 10')
    expect(lines.join('')).toContain('the connection is dead')
  })

  it('does not hammer a server that ends every watch at once, nor one that never lists', async () => {
    const cut = harness((time) =>
      scripted(
        time,
        [page(10)],
        Array.from({ length: 100 }, () => []),
      ),
    )
    await cut.clock.advance(600_000)
    expect(cut.requests.length).toBeLessThan(30)
    // The signal lives as long as the process: what each watch leaves on it would add up.
    expect(getEventListeners(cut.stop.signal, 'abort').length).toBeLessThanOrEqual(1)
    const away = harness((time) => scripted(time, [], []))
    await away.clock.advance(600_000)
    expect(away.requests.length).toBeLessThan(30)
    expect(away.requests.slice(0, 4)).toEqual(['0 list', '800 list', '2400 list', '5600 list'])
  })

  it('goes on when a listener or the pruning throws; the object that cannot be read stays out', async () => {
    const prune = (raw: KubeObject) => {
      if (raw.metadata.name === 'odd') throw new Error('cannot read it')
      return raw
    }
    const { clock, store, requests, lines } = harness(
      (time) =>
        scripted(
          time,
          [page(10, object('odd', 1))],
          [[{ sleepMs: 10 }, added('a', 11), added('odd', 12), added('b', 13), 'silence']],
        ),
      { prune },
    )
    store.onChange(() => {
      throw new Error('a broken listener')
    })
    await clock.advance(5_000)
    expect(store.list().map(({ metadata }) => metadata.name)).toEqual(['a', 'b'])
    expect(requests).toHaveLength(2)
    expect(lines.filter((line) => line.includes('cannot read it'))).toHaveLength(2)
  })

  it('takes an optional resource that is not served as empty, and looks again every 5 minutes', async () => {
    const { clock, reflector, requests, changes } = harness(
      (time) =>
        scripted(time, [refusal(404), refusal(404), page(5, object('a', 1)), refusal(404)], [[{ sleepMs: 5_000 }, refusal(404)]]),
      { optional: true },
    )
    await reflector.synced
    await clock.advance(610_000)
    expect(requests).toEqual(['0 list', '300000 list', '600000 list', '600000 watch 5', '605800 list'])
    expect(changes).toEqual(['add a', 'delete a'])
  })

  it('ends at a stop wherever it is, and rejects those who still wait for the first list', async () => {
    const watching = harness((time) => scripted(time, [page(10)], []))
    await watching.clock.advance(1_000)
    watching.stop.abort(new Error('stopping'))
    await watching.running
    await watching.reflector.synced
    const waiting = harness((time) => scripted(time, [refusal(500)], []))
    await waiting.clock.advance(100)
    waiting.stop.abort(new Error('stopping'))
    await waiting.running
    await expect(waiting.reflector.synced).rejects.toThrow('stopping')
  })
})
