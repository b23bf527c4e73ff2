import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { EVENT_TYPES } from '../src/canary/event-reasons.ts'
import { TABLE } from '../src/canary/table.ts'

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

describe('the machine in the architecture', () => {
  const page = read('docs/architecture.md')
  const rest = ['Idle', 'Failed', 'Waiting']
  const rolling = ['Progressing', 'Promoting']
  const adopted = [...rest, ...rolling, 'RollingBack']
  const words: Readonly<Record<string, readonly string[]>> = { any: [...adopted, 'Initializing', 'Terminating'], adopted, 'at rest': rest, rolling }

  it('has every row of the table in its order, with its rule, its phases, and whether it goes on while suspended', () => {
    const drawn = cellsOf(page, /^\| \w+ \| `/).map(([row = '', rule = '', phases = '', suspended = '']) =>
      [row, rule.replaceAll('`', ''), phases.split(', ').flatMap((word) => words[word] ?? [word]).toSorted().join(), suspended === 'yes'])
    expect(drawn).toEqual(TABLE.map(({ row, rule, phases, suspended }) => [row, rule.name, phases.toSorted().join(), suspended]))
  })

  it('is drawn with every phase, and no other', () => {
    const drawn = [...page.matchAll(/^ {2}(\S+) --> (\S+?)(?::|$)/gm)].flatMap(([, from = '', to = '']) => [from, to])
    expect([...new Set(drawn)].filter((phase) => phase !== '[*]').toSorted()).toEqual([...new Set(TABLE.flatMap(({ phases }) => phases))].toSorted())
  })
})

describe('the table of what must never happen', () => {
  const rows = cellsOf(read('docs/testing.md'), /^\| [SH]\d+ \|/)

  it('has every invariant, each asked after every change', () => {
    expect(rows.map(([number]) => number)).toEqual([...Array.from({ length: 19 }, (_, index) => `S${index + 1}`), 'H3'])
    expect(rows.filter(([, , asked]) => asked === '')).toEqual([])
  })

  it('names only laws and files that exist', () => {
    const code = ['test/laws.ts', 'test/oracle.ts', 'test/oracle/pass-laws.ts', 'src/canary/invariants.ts'].map(read).join('\n')
    const named = rows.flatMap((cells) => [...cells.join(' ').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)).filter((name) => !/^[A-Z]/.test(name))
    const missing = named.filter((name) => (name.includes('/') ? ![name, `src/${name}`].some((path) => existsSync(new URL(path, root))) : !code.includes(name)))
    expect(missing).toEqual([])
  })
})
