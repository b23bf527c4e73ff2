import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadClusterAccess } from './kubeconfig.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

const kubeconfig = async (cluster: object, user: object) => {
  const path = join(await mkdtemp(join(tmpdir(), 'kubeconfig-')), 'config')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'test' } }],
    'current-context': 'x',
  }
  await writeFile(path, JSON.stringify(config))
  return path
}

describe('the access to a cluster', () => {
  it('carries token, certificates and server name to the transport', async () => {
    const server = 'https://api.test:6443'
    const path = await kubeconfig(
      { server, 'certificate-authority-data': base64('the CA'), 'tls-server-name': 'kubernetes' },
      { token: 'abc', 'client-certificate-data': base64('a certificate'), 'client-key-data': base64('a key') },
    )
    const access = await loadClusterAccess({ path })
    expect([access.baseUrl, access.namespace]).toEqual([server, 'test'])
    expect(await access.headers()).toEqual({ authorization: 'Bearer abc' })
    expect(await access.tls()).toEqual({
      ca: Buffer.from('the CA'),
      cert: Buffer.from('a certificate'),
      key: Buffer.from('a key'),
      servername: 'kubernetes',
    })
  })

  it('runs the credential plugin of a cloud, once for what is asked for together', async () => {
    const credential = { status: { token: 'from the plugin', expirationTimestamp: '2000-01-01T00:00:00Z' } }
    const script = `require('fs').appendFileSync(process.env.RUNS, 'x'); console.log('${JSON.stringify(credential)}')`
    const runs = join(await mkdtemp(join(tmpdir(), 'plugin-')), 'runs')
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: ['-e', script],
      env: [{ name: 'RUNS', value: runs }],
    }
    const access = await loadClusterAccess({ path: await kubeconfig({ server: 'https://api.test' }, { exec }) })
    const [headers] = await Promise.all([access.headers(), access.tls()])
    expect(headers).toEqual({ authorization: 'Bearer from the plugin' })
    await access.headers()
    expect(await readFile(runs, 'utf8')).toBe('xx')
  })

  it('allows plain HTTP and a password, and refuses a context that is not there', async () => {
    const path = await kubeconfig({ server: 'http://127.0.0.1:8001' }, { username: 'me', password: 'pass' })
    expect(await (await loadClusterAccess({ path })).headers()).toEqual({ authorization: `Basic ${base64('me:pass')}` })
    await expect(loadClusterAccess({ path, context: 'elsewhere' })).rejects.toThrow('no cluster for context "elsewhere"')
  })
})
