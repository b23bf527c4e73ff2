import { describe, expect, it } from 'vitest'
import { createKubernetesClient } from '../kubernetes/client.ts'
import { resources } from '../kubernetes/resource.ts'
import type { TransportRequest } from '../runtime/transport.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { fencedClient, WriteRefusedError } from './fenced-client.ts'

const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'ns', uid: '1', resourceVersion: '1' } }

const fenced = (refusal: () => string | undefined) => {
  const sent: TransportRequest['method'][] = []
  const transport = (request: TransportRequest) => {
    sent.push(request.method)
    return Promise.resolve({ status: 200, headers: {}, text: () => Promise.resolve(JSON.stringify(object)), lines: async function* () { yield '' } })
  }
  const client = fencedClient(createKubernetesClient({ transport, clock: new VirtualClock(), random: () => 0, timeoutMs: 1000 }), refusal)
  const writes = [
    () => client.create(resources.pods, object),
    () => client.jsonPatch(resources.pods, 'ns/a', []),
    () => client.mergePatch(resources.pods, 'ns/a', {}, { subresource: 'status' }),
    () => client.delete(resources.pods, 'ns/a'),
  ]
  return { client, sent, writes }
}

describe('a fenced client', () => {
  it('sends no write while there is a reason not to, says the reason, and reads all the same', async () => {
    const { client, sent, writes } = fenced(() => 'this process is on standby')
    for (const write of writes) {
      await expect(write()).rejects.toBeInstanceOf(WriteRefusedError)
      await expect(write()).rejects.toThrow(/^(create|patch|delete) pods ns\/a: not sent: this process is on standby$/)
    }
    expect(sent).toEqual([])
    expect(await client.get(resources.pods, 'ns/a')).toEqual(object)
    expect(sent).toEqual(['GET'])
  })

  it('asks before each write, and sends it where there is none', async () => {
    let asked = 0
    const { sent, writes } = fenced(() => void asked++)
    for (const write of writes) await write()
    expect(sent).toEqual(['POST', 'PATCH', 'PATCH', 'DELETE'])
    expect(asked).toBe(4)
  })
})
