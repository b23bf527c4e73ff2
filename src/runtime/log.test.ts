import { expect, it } from 'vitest'
import { createLog, type LogLevel } from './log.ts'

const capture = (level: LogLevel = 'info') => {
  const lines: Record<string, unknown>[] = []
  const log = createLog({ level, destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) } })
  return { log, lines }
}

it('writes the level as text, the time as ISO 8601 and the bindings of a child, from the level asked for on', () => {
  const { log, lines } = capture('warn')
  log.info('unseen')
  log.child({ canary: 'test/podinfo' }).warn({ weight: 5 }, 'seen')
  expect(lines).toEqual([
    { level: 'warn', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/), canary: 'test/podinfo', weight: 5, msg: 'seen' },
  ])
})

it('shows what helps of an error and of its causes, and no credential', () => {
  const { log, lines } = capture()
  const cause = Object.assign(new Error('socket hang up'), {
    code: 'ECONNRESET',
    config: { headers: { Authorization: 'Bearer hidden' } },
  })
  const err = Object.assign(new Error('no answer', { cause }), {
    status: 503,
    key: 'test/a',
    headers: { authorization: 'Bearer hidden' },
  })
  log.error(
    { err, headers: { authorization: 'Bearer hidden' }, spec: { webhook: { secret: 'hidden' } }, token: 'hidden' },
    'failed',
  )
  expect(lines[0]).toMatchObject({
    err: {
      type: 'Error',
      message: 'no answer',
      status: 503,
      key: 'test/a',
      cause: { message: 'socket hang up', code: 'ECONNRESET' },
    },
  })
  expect(JSON.stringify(lines)).not.toContain('hidden')
})
