/**
 * A kubeconfig for a cluster at a plain http URL. `insecure-skip-tls-verify` is there because the JavaScript client
 * refuses http without it; kubectl does not mind.
 */
export const kubeconfig = (server: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'sandbox', cluster: { server, 'insecure-skip-tls-verify': true } }],
    contexts: [{ name: 'sandbox', context: { cluster: 'sandbox', user: 'sandbox', namespace: 'default' } }],
    'current-context': 'sandbox',
    users: [{ name: 'sandbox', user: {} }],
  })
