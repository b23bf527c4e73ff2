import type https from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import type { NodeTransportOptions, TlsOptions } from './transport.ts'

/** Where a cluster is and how to prove who asks; the functions read files and run credential plugins as often as needed. */
export type ClusterAccess = Required<Pick<NodeTransportOptions, 'baseUrl' | 'headers' | 'tls'>> & {
  /** The namespace of the context, or of the pod this runs in; "default" where none is said. */
  readonly namespace: string
}

/** What to use instead of $KUBECONFIG, ~/.kube/config or the pod's service account. */
export type KubeconfigChoice = {
  readonly path?: string
  readonly context?: string
}

/** Reads the kubeconfig, or the service account inside a cluster; throws an Error where there is no such file or context. */
export const loadClusterAccess = async (choice: KubeconfigChoice = {}): Promise<ClusterAccess> => {
  // The package costs 80 MiB and a second, which tests and the demo need not pay.
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  if (choice.path === undefined) config.loadFromDefault()
  else config.loadFromFile(choice.path)
  if (choice.context !== undefined) config.setCurrentContext(choice.context)
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new Error(`the kubeconfig has no cluster for context "${config.getCurrentContext()}"`)
  if (cluster.proxyUrl !== undefined) throw new Error(`cluster "${cluster.name}": proxy-url is not supported`)
  // The package refuses plain HTTP unless told that nothing is to be verified, which over HTTP goes without saying.
  config.clusters = config.clusters.map((each) => (each.server.startsWith('http:') ? { ...each, skipTLSVerify: true } : each))
  const options = sharedWhilePending(() => requestOptions(config))
  return {
    baseUrl: cluster.server,
    headers: async () => headersOf(await options()),
    tls: async () => tlsOf(await options()),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
  }
}

const requestOptions = async (config: KubeConfig): Promise<https.RequestOptions> => {
  const options: https.RequestOptions = {}
  await config.applyToHTTPSOptions(options)
  return options
}

/** Headers and TLS of one request are asked for together: they cost one look at the files, or one run of a plugin. */
const sharedWhilePending = <T>(ask: () => Promise<T>): (() => Promise<T>) => {
  let pending: Promise<T> | undefined
  return () => {
    pending ??= ask().finally(() => (pending = undefined))
    return pending
  }
}

const headersOf = ({ headers, auth }: https.RequestOptions): Readonly<Record<string, string>> => {
  const basic = typeof auth === 'string' ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {}
  const given = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)])
  return { ...Object.fromEntries(given), ...basic }
}

const tlsOf = ({ ca, cert, key, passphrase, rejectUnauthorized, servername }: https.RequestOptions): TlsOptions => ({
  ...(ca === undefined ? {} : { ca }),
  ...(cert === undefined ? {} : { cert }),
  ...(key === undefined ? {} : { key }),
  ...(passphrase === undefined ? {} : { passphrase }),
  ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  ...(servername === undefined ? {} : { servername }),
})
