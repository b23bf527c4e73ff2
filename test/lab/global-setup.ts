import type { TestProject } from 'vitest/node'
import type {} from '../contract/world.ts'
import { startLab } from './lab.ts'

/** One lab for all suites. */
export default async function setup(project: TestProject): Promise<() => void> {
  const { info, stop } = await startLab({ grade: process.env['SERIN_LAB_GRADE'] === 'plain' ? 'plain' : 'mtls', say: (line) => process.stderr.write(`lab: ${line}\n`) })
  project.provide('lab', info)
  return stop
}
