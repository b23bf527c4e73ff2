import { afterEach, describe, expect, it } from 'vitest'
import type { Transport } from '../../src/runtime/transport.ts'
import { target } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adoptedTarget } from '../rollout/adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

/** More than this in a moment is a quarrel without end: then nothing is answered any more, so that time goes on. */
const MOST_REQUESTS = 200

type Watches = { held?: Promise<void> | undefined; asked: number }

/** Lets watches of Deployments tell nothing more while they are held. */
const deaf = (watches: Watches) => (transport: Transport): Transport => async (request) => {
  if (watches.held !== undefined && ++watches.asked > MOST_REQUESTS) throw new Error('asked without end')
  const response = await transport(request)
  if (!/\/deployments\?.*watch=1/.test(request.path)) return response
  return {
    ...response,
    async *lines() {
      for await (const line of response.lines()) {
        await watches.held
        yield line
      }
    },
  }
}

describe('of two leaders, one whose watch of Deployments stands still', () => {
  it('takes back nothing that the other has seen', async () => {
    const watches: Watches = { asked: 0 }
    harness = await adoptedTarget({ operator: { through: deaf(watches) } })
    const first = harness.status().stableRevision
    harness.startOperator()
    let release: () => void = () => undefined
    watches.held = new Promise((resolve) => (release = resolve))
    await harness.apply(target('v2'))
    await harness.clock.advance(500)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', observedTarget: { generation: 3 } })
    expect(watches.asked).toBeLessThan(MOST_REQUESTS)
    watches.held = undefined
    release()
    await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision !== first, 120_000)
    expect(harness.status().history?.map(({ result }) => result)).toEqual(['Promoted'])
    expect(harness.events().filter((event) => /Superseded|Reverted|RouteToStable/.test(event))).toEqual([])
    expect(harness.meshMade()).toEqual([])
  })
})
