import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { unsupported } from '../../src/sandbox/cluster.ts'
import { DIFFERENCES } from './differences.ts'

const page = readFileSync(new URL('../../docs/sandbox.md', import.meta.url), 'utf8')

test.each(DIFFERENCES)('that the sandbox differs in %s is said by its code and by its page', (difference) => {
  expect(unsupported.filter((sentence) => sentence.includes(difference))).toHaveLength(1)
  expect(page).toContain(difference)
})
