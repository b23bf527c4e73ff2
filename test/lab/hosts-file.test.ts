import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { HostsFile } from './hosts-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hosts-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const LOCAL = '127.0.0.1 localhost'
const held = (path: string) => readFileSync(path, 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'))

it('holds the lines of the last update, in the file that was mounted', () => {
  const file = new HostsFile(join(folder, 'hosts'), [LOCAL, '10.96.0.1 a'])
  const { ino } = statSync(file.path)
  for (const lines of [[LOCAL, '10.96.0.1 a', '10.96.0.2 b'], [LOCAL, '10.96.0.2 b'], [LOCAL], [LOCAL, '10.96.0.3 ä', '10.96.0.2 b'], [LOCAL, '10.96.0.1 a', '10.96.0.2 b']]) {
    file.update(lines)
    expect(held(file.path).toSorted()).toEqual(lines.toSorted())
  }
  expect(statSync(file.path).ino).toBe(ino)
})

it('never lacks a line that stays, whoever reads while others come and go', async () => {
  const file = new HostsFile(join(folder, 'hosts'), [LOCAL])
  const program = `const { readFileSync } = require('node:fs')
    let reads = 0
    process.on('message', () => process.send({ reads, lacked: false }, () => process.exit()))
    const read = () => {
      for (let each = 0; each < 50; each++, reads++) if (!readFileSync(process.argv[1], 'utf8').startsWith('${LOCAL}\\n')) return process.send({ reads, lacked: true }, () => process.exit())
      setImmediate(read)
    }
    process.send('begins', read)`
  const reader = fork('-e', [program, file.path], { execArgv: [] })
  const said = () => new Promise<{ readonly reads: number; readonly lacked: boolean }>((resolve) => reader.once('message', (message) => resolve(message as never)))
  await said()
  const verdict = said()
  for (let round = 0; round < 500; round++) {
    file.update([LOCAL, `10.96.1.${round % 250} other-${round}`])
    if (round % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  if (reader.connected) reader.send('enough')
  const { reads, lacked } = await verdict
  expect(lacked).toBe(false)
  expect(reads).toBeGreaterThan(100)
})
