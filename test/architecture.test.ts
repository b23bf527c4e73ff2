import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const SRC = fileURLToPath(new URL('../src/', import.meta.url))

/** Who may import whom, as docs/architecture.md has it. A new edge is a change to that table. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  api: [],
  canary: ['api'],
  analysis: ['api', 'canary'],
  istio: ['api', 'canary'],
  runtime: [],
  kubernetes: ['runtime'],
  prometheus: ['runtime'],
  controller: ['api', 'canary', 'analysis', 'istio', 'runtime', 'kubernetes', 'prometheus'],
  sandbox: ['runtime'],
  demo: ['api', 'runtime', 'kubernetes', 'sandbox', 'config.ts', 'operator.ts'],
  'operator.ts': ['api', 'canary', 'controller', 'runtime', 'kubernetes', 'prometheus'],
  'config.ts': ['api', 'runtime', 'operator.ts'],
  'main.ts': ['config.ts', 'operator.ts', 'runtime', 'kubernetes'],
  'demo.ts': ['demo', 'runtime', 'sandbox'],
  'generate-crds.ts': ['api'],
}
/** Of the runtime, the stand-ins may know only the ports and the dice. */
const SANDBOX_MAY = ['clock.ts', 'transport.ts', 'random.ts', 'virtual-clock.ts']
const PURE = ['api', 'canary', 'analysis', 'istio']
/** Packages by the only place that may use them. */
const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  '@kubernetes/client-node': ['kubernetes/kubeconfig.ts'],
  'prometheus-query': ['prometheus'],
  'node-cron': ['controller/schedule.ts'],
  pino: ['runtime/log.ts'],
  zod: ['api'],
  'prom-client': ['controller/metrics.ts'],
}

type Source = { readonly path: string; readonly text: string; readonly code: string }

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/\.(test|fixture)\.ts$/.test(path))
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8')
    return { path, text, code: text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '') }
  })

const roomOf = (path: string): string => path.split('/')[0] ?? ''
const importsOf = ({ path, text }: Source): readonly string[] =>
  [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, target = '']) => (target.startsWith('.') ? normalize(join(dirname(path), target)) : target))

describe('the architecture', () => {
  it('has a row in the import table for every room', () => {
    expect([...new Set(sources.map(({ path }) => roomOf(path)))].filter((room) => MAY_IMPORT[room] === undefined)).toEqual([])
  })

  it('keeps to the import table', () => {
    const wrong = sources.flatMap((source) => importsOf(source)
      .filter((target) => target.endsWith('.ts') && roomOf(target) !== roomOf(source.path))
      .filter((target) => !(MAY_IMPORT[roomOf(source.path)] ?? []).includes(roomOf(target)))
      .map((target) => `${source.path} → ${target}`))
    expect(wrong).toEqual([])
  })

  it('lets the sandbox know nothing of what it is meant to prove', () => {
    const sandbox = sources.filter(({ path }) => roomOf(path) === 'sandbox')
    expect(sandbox.flatMap((source) => importsOf(source).filter((target) => target.startsWith('runtime/') && !SANDBOX_MAY.includes(relative('runtime', target))).map((target) => `${source.path} → ${target}`))).toEqual([])
    expect(sandbox.filter(({ text }) => /serin\.dev|canary/i.test(text)).map(({ path }) => path)).toEqual([])
  })

  it('uses each package in one place only', () => {
    const wrong = sources.flatMap((source) => importsOf(source)
      .filter((target) => ONLY_IN[target] !== undefined && !ONLY_IN[target].some((place) => source.path === place || roomOf(source.path) === place))
      .map((target) => `${source.path} → ${target}`))
    expect(wrong).toEqual([])
  })

  it('reads no clock and rolls no dice in the pure rooms', () => {
    const impure = /Date\.now|new Date\(\)|performance\.|Math\.random|process\.|globalThis|\bfetch\(|setTimeout|setInterval|console\./
    expect(sources.filter(({ path, code }) => PURE.includes(roomOf(path)) && impure.test(code)).map(({ path }) => path)).toEqual([])
  })

  it('reads the time and sets timers in one file, and the environment in one other', () => {
    const timers = /Date\.now\(|new Date\(\)|\bsetTimeout\(|\bsetInterval\(|performance\.now/
    expect(sources.filter(({ code }) => timers.test(code)).map(({ path }) => path)).toEqual(['runtime/system-clock.ts'])
    const environment = sources.filter(({ code }) => /process\.(env|argv)/.test(code)).map(({ path }) => path)
    expect(environment.sort()).toEqual(['demo.ts', 'main.ts'])
  })

  it('keeps files and lines short enough to read', () => {
    expect(sources.filter(({ code }) => code.split('\n').filter((line) => line.trim() !== '').length > 280).map(({ path }) => path)).toEqual([])
  })

  it('stays larger than the stand-ins that only serve it', () => {
    const size = (rooms: (room: string) => boolean) => sources.filter(({ path }) => rooms(roomOf(path))).reduce((sum, { text }) => sum + text.split('\n').length, 0)
    const standIns = ['sandbox', 'demo', 'demo.ts']
    expect(size((room) => standIns.includes(room))).toBeLessThan(size((room) => !standIns.includes(room)))
  })
})
