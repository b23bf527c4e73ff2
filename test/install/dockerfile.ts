import { readFileSync } from 'node:fs'

const root = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

export type Instruction = { readonly name: string; readonly text: string }
export type Stage = { readonly base: string; readonly name: string | undefined; readonly instructions: readonly Instruction[] }
export type Copy = { readonly from: string | undefined; readonly sources: readonly string[]; readonly target: string }

/** The stages of the Dockerfile, in order. */
export function stages(): readonly Stage[] {
  const lines = read('Dockerfile').replace(/\\\n/g, ' ').split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const instructions = lines.map((line): Instruction => ({ name: line.slice(0, line.indexOf(' ')), text: line.slice(line.indexOf(' ')).trim() }))
  const starts = instructions.flatMap(({ name }, index) => (name === 'FROM' ? [index] : []))
  return starts.map((start, order) => {
    const [base = '', , name] = instructions[start]?.text.split(' ') ?? []
    return { base, name, instructions: instructions.slice(start + 1, starts[order + 1]) }
  })
}

/** What one instruction says wherever it stands in a stage. */
export const saidBy = (stage: Stage, name: string): readonly string[] => stage.instructions.filter((each) => each.name === name).map(({ text }) => text)

export const copies = (stage: Stage): readonly Copy[] =>
  saidBy(stage, 'COPY').map((text) => {
    const words = text.split(/\s+/)
    const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length)
    const paths = words.filter((word) => !word.startsWith('--'))
    return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' }
  })

type Pattern = { readonly included: boolean; readonly matches: RegExp }

/** Whether .dockerignore keeps a path out of the build: the last pattern that matches it, or a folder above it, decides. */
export function ignores(): (path: string) => boolean {
  const patterns = read('.dockerignore').split('\n').filter((line) => line !== '').map((line): Pattern => {
    const glob = line.replace(/^!/, '').replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    return { included: line.startsWith('!'), matches: new RegExp(`^${glob.replace(/\*\*\/|\*/g, (star) => (star === '*' ? '[^/]*' : '(?:.*/)?'))}(?:/.*)?$`) }
  })
  return (path) => patterns.findLast(({ matches }) => matches.test(path))?.included === false
}
