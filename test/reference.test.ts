import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { EVENT_TYPES } from '../src/canary/event-reasons.ts'

const root = new URL('../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const cellsOf = (page: string, first: RegExp) => page.split('\n').filter((line) => first.test(line)).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))

describe('the reference of events', () => {
  const rows = cellsOf(read('docs/reference/events.md'), /^\| `/)

  it('lists every reason there is, with its type, and no other', () => {
    const listed = rows.map(([reason = '', type = '']) => `${reason.replaceAll('`', '')} ${type}`)
    expect(listed.toSorted()).toEqual(Object.entries(EVENT_TYPES).map(([reason, type]) => `${reason} ${type}`).toSorted())
  })

  it('says of each when it comes and what to do', () => {
    expect(rows.filter((row) => row.length !== 4 || row.some((cell) => cell === ''))).toEqual([])
  })

  it('lists only what the code tells of', () => {
    const sources = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !/\.(test|fixture)\.ts$/.test(path) && !/^(sandbox|demo)\//.test(path) && path !== 'canary/event-reasons.ts')
      .map((path) => read(`src/${path}`)).join('\n')
    expect(Object.keys(EVENT_TYPES).filter((reason) => !sources.includes(`'${reason}'`))).toEqual([])
  })
})
