import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { parseCanaryAction } from '../src/api/canary-action.ts'
import { parseCanary } from '../src/api/parse.ts'
import { TABLE } from '../src/canary/table.ts'

const root = new URL('../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const pages = ['README.md', ...readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md')).map((path) => `docs/${path}`)]

/** As the API server stores what only says how its name begins. */
const named = (object: unknown) => ({ ...(object as object), metadata: { name: 'x', ...(object as { metadata: object }).metadata } })

describe('the documentation', () => {
  it('shows only Canaries and CanaryActions that are valid', () => {
    const shown = pages.flatMap((page) => [...read(page).matchAll(/```yaml\n([\s\S]*?)```/g)].flatMap(([, text = '']) => parseAllDocuments(text).map((document): unknown => document.toJSON())))
    expect(shown.length).toBeGreaterThan(1)
    const parsed = (object: unknown) => ((object as { kind?: string }).kind === 'CanaryAction' ? parseCanaryAction(named(object)) : parseCanary(object))
    expect(shown.map(parsed).filter(({ ok }) => !ok)).toEqual([])
  })

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = pages.flatMap((page) => [...read(page).matchAll(/npm (?:run )?([a-z]+)/g)].map(([, name = '']) => name))
    expect([...new Set(named)].filter((name) => scripts[name] === undefined)).toEqual([])
  })

  it('links only to what is there', () => {
    const broken = pages.flatMap((page) => [...read(page).matchAll(/\]\(([^)#:]+)\)/g)].map(([, target = '']) => ({ page, target })).filter(({ page: from, target }) => {
      try {
        readdirSync(new URL(target, new URL(from, root)))
        return false
      } catch (error) {
        return (error as { code?: string }).code !== 'ENOTDIR'
      }
    }))
    expect(broken).toEqual([])
  })

  it('has every reason to refuse a route, and no other, and marks those that only hold', () => {
    const sources = ['src/controller/observe.ts', 'src/controller/workload-refusals.ts', 'src/controller/config-refusals.ts', ...readdirSync(new URL('src/istio/', root)).filter((name) => /refusals\.ts$|^(tcp-routes|preview-service)\.ts$/.test(name)).map((name) => `src/istio/${name}`)].map(read)
    const guards = /GUARDS[^=]*= \[\n([^;]*?)\n\]/.exec(read('src/istio/route-refusals.ts'))?.[1] ?? ''
    const reasons = [...sources.join('').matchAll(/(?:reason: |refusal\()'([A-Z]\w+)'/g), ...guards.matchAll(/^ +\['([A-Z]\w+)'/gm)].map(([, reason]) => reason)
    const shown = [...read('docs/routes.md').matchAll(/^\| `(\w+)`( °)? \|/gm)]
    expect(new Set(shown.map(([, reason]) => reason))).toEqual(new Set(reasons))
    const holding = /OPENS_NO_PATH = new Set\(\[([^\]]*)\]/.exec(read('src/canary/guards.ts'))?.[1] ?? ''
    const held = [...holding.matchAll(/'(\w+)'/g)].map(([, reason]) => reason)
    expect(new Set(shown.filter(([, , mark]) => mark !== undefined).map(([, reason]) => reason))).toEqual(new Set(held))
  })

  it('has every row of the machine in the protocol, and no other', () => {
    const rows = [...read('docs/protocol.md').matchAll(/^\| (\d+\w?) \|/gm)].map(([, row]) => row)
    expect(rows).toEqual(TABLE.map(({ row }) => row).filter((row) => row !== '12w'))
  })
})
