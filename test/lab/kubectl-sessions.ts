import { execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

type Kubectl = (...args: readonly string[]) => Promise<string>

/** A server that real kubectl talks to, with all that a release needs beside it. */
export type Server = {
  readonly name: 'sandbox' | 'lab'
  /** Path of the Canary's manifest, and of one that differs from it. */
  readonly canary: string
  readonly changed: string
  /** Exit code, where it is not 0, and what kubectl says on stdout, then on stderr. */
  readonly kubectl: Kubectl
  /** Starts a command that does not end by itself, and waits until it has said something under its headings; what it gives ends it, and gives all that it has said. */
  readonly watch: (...args: readonly string[]) => Promise<() => Promise<string>>
  readonly startUsers: () => Promise<void>
  readonly startOperator: () => Promise<void>
}

export type KubectlOptions = { readonly binary: string; readonly kubeconfig: string; readonly home: string }

/** kubectl against one kubeconfig, with a cache of its own. */
export function kubectlWith({ binary, kubeconfig, home }: KubectlOptions): Pick<Server, 'kubectl' | 'watch'> {
  const bare = { PATH: process.env['PATH'], KUBECONFIG: kubeconfig, HOME: home }
  const runWith = (env: NodeJS.ProcessEnv): Kubectl => (...args) => new Promise((resolve) => {
    execFile(binary, args, { env, maxBuffer: 2 ** 24 }, (error, out, err) => resolve(`${error === null ? '' : `${String(error.code)}: `}${out}${err}`.trim()))
  })
  const watch: Server['watch'] = async (...args) => {
    const child = spawn(binary, args, { env: bare, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const begun = new Promise<void>((resolve) => child.stdout.on('data', () => said.split('\n').length > 2 && resolve()))
    await Promise.race([begun, ended])
    return async () => {
      child.kill('SIGTERM')
      await ended
      return said
    }
  }
  return { kubectl: runWith(bare), watch }
}

/** What one server said in a session, by the name of what was asked. */
export type Transcript = Record<string, string>

const NAMESPACE = 'istioinaction'
const EXAMPLES = 'examples/happy-istio'
const files = (...names: readonly string[]) => names.flatMap((name) => ['-f', `${EXAMPLES}/${name}.yaml`])

/** The commands that README.md, docs/sandbox.md and `npm run sandbox` name, in the order of a release that fails and one that succeeds. */
export async function play(server: Server, said: Transcript): Promise<void> {
  const plain = async (name: string, ...args: readonly string[]) => (said[name] = timeless(await server.kubectl(...args)))
  const ask = (name: string, ...args: readonly string[]) => plain(name, '-n', NAMESPACE, ...args)
  const canary = 'canary/service-c'

  await plain('apply a namespace', 'apply', ...files('namespace'))
  await ask('apply services', 'apply', ...files('service-a', 'service-b', 'service-c-v1', 'gateway'))
  await ask('apply them again', 'apply', ...files('service-a', 'service-b', 'service-c-v1', 'gateway'))
  await ask('wait for a condition', 'wait', '--for=condition=Available', 'deployments', '--all', '--timeout=100s')
  await ask('rollout status', 'rollout', 'status', 'deployment/service-a', '--timeout=30s')
  await server.startUsers()
  await server.startOperator()
  await ask('apply a Canary', 'apply', '-f', server.canary)
  await ask('wait for a JSON path', 'wait', '--for=jsonpath={.status.phase}=Idle', canary, '--timeout=100s')

  const watched = await server.watch('get', 'canaries', '-A', '-w')
  await ask('apply a faulty version', 'apply', ...files('service-c-v2'))
  await ask('wait for the failure', 'wait', '--for=condition=Promoted=False', canary, '--timeout=100s')
  await ask('wait for the end of the rollback', 'wait', '--for=jsonpath={.status.phase}=Failed', canary, '--timeout=100s')
  await readings(ask)
  await refusals(ask)
  await changes(ask)
  await ask('apply a good version', 'apply', ...files('service-c-v4'))
  const [seen = [], promoted = []] = recipe()
  await ask('wait in CI until it is seen', ...seen)
  await ask('read in CI what it came to', 'get', canary, '-o', FAILED)
  await ask('wait in CI until it is stable', ...promoted)
  await ask('read in CI what generation was seen', 'get', canary, '-o', 'jsonpath={.status.observedTarget.generation}')
  await ask('wait for the promotion', 'wait', '--for=jsonpath={.status.stableRevision}=v4', canary, '--timeout=100s')
  await ask('wait for Promoted', 'wait', '--for=condition=Promoted', canary, '--timeout=100s')
  await ask('get what is promoted', 'get', canary)
  await ask('wait for the old version to be scaled down', 'wait', '--for=jsonpath={.spec.replicas}=0', 'deployment/service-c-v1', '--timeout=60s')
  said['get -w'] = phasesOf(await watched())
  await ask('get events', 'get', 'events', '--field-selector=involvedObject.kind=Canary')
  said['get events'] = said['get events']?.split('\n').toSorted().join('\n') ?? ''
}

/** The waits of docs/ci.md, as they stand there, for this Canary and its good version; none outlasts this suite. */
function recipe(): readonly (readonly string[])[] {
  const [, block = ''] = /```sh\n([^]*?)```/.exec(readFileSync('docs/ci.md', 'utf8')) ?? []
  const commands = block.split('\n').filter((line) => line.startsWith('kubectl wait '))
  return commands.map((line) => line.replace('canary/web', 'canary/service-c').replace('=v2', '=v4').replace('=30m', '=100s').replaceAll("'", '').split(' ').slice(1))
}

/** What docs/ci.md asks in its loop. */
const FAILED = 'jsonpath={.status.conditions[?(@.type=="Promoted")].status}'

type Ask = (name: string, ...args: readonly string[]) => Promise<string>

async function readings(ask: Ask): Promise<void> {
  await ask('get canaries of all namespaces', 'get', 'canaries', '-A')
  await ask('get by short name and category', 'get', 'scn,serin')
  await ask('get a JSON path', 'get', 'canary', 'service-c', '-o', 'jsonpath={.status.phase} {.status.failed.revision} {.spec.analysis.noData}')
  await ask('get names', 'get', 'deployments,services,virtualservices,destinationrules,canaries', '-o', 'name')
  await ask('get custom columns', 'get', 'canaries', '-o', 'custom-columns=NAME:.metadata.name,STABLE:.status.stableRevision')
  await ask('get by label', 'get', 'deployments', '-l', 'app=service-c', '-o', 'name')
  await ask('get deployments', 'get', 'deployments')
  await ask('get services', 'get', 'services')
  await ask('get pods', 'get', 'pods', '-l', 'app=service-a')
  await ask('get replicasets', 'get', 'replicasets', '-l', 'app=service-a')
  await ask('get virtualservices', 'get', 'virtualservices')
  await ask('get destinationrules', 'get', 'destinationrules')
  await ask('get endpointslices', 'get', 'endpointslices', '-l', 'kubernetes.io/service-name=service-a')
  await ask('get what is not there', 'get', 'canary', 'nobody')
  await ask('describe a Canary', 'describe', 'canary', 'service-c')
  await ask('describe a Deployment', 'describe', 'deployment', 'service-a')
  await ask('describe a Service', 'describe', 'service', 'service-a')
  await ask('api-resources', 'api-resources', '--api-group=serin.dev', '--no-headers')
}

async function refusals(ask: Ask): Promise<void> {
  await ask('patch with a wrong type', 'patch', 'canary', 'service-c', '--type=merge', '-p', '{"spec":{"suspend":"yes"}}')
  await ask('patch with an unknown value', 'patch', 'canary', 'service-c', '--type=merge', '-p', '{"spec":{"analysis":{"noData":"Perhaps"}}}')
  await ask('patch with a wrong pattern', 'patch', 'canary', 'service-c', '--type=merge', '-p', '{"spec":{"progressDeadline":"soon"}}')
  await ask('patch strategically', 'patch', 'canary', 'service-c', '-p', '{"spec":{"suspend":true}}')
  await ask('patch with a failing test', 'patch', 'canary', 'service-c', '--type=json', '-p', '[{"op":"test","path":"/spec/suspend","value":true}]')
  await ask('patch with a stale version', 'patch', 'canary', 'service-c', '--type=json', '-p', '[{"op":"replace","path":"/metadata/resourceVersion","value":"1"}]')
  await ask('patch with an unknown field', 'patch', 'canary', 'service-c', '--type=merge', '-p', '{"spec":{"unheardOf":1}}')
  await ask('delete what is not there', 'delete', 'canary', 'nobody')
  await ask('scale what has no scale', 'scale', 'service/service-c', '--replicas=2')
}

async function changes(ask: Ask): Promise<void> {
  await ask('patch by merge', 'patch', 'canary', 'service-c', '--type=merge', '-p', '{"spec":{"scaleDownDelay":{"previous":"2s"}}}')
  await ask('patch by merge, again', 'patch', 'canary', 'service-c', '--type=merge', '-p', '{"spec":{"scaleDownDelay":{"previous":"2s"}}}')
  await ask('patch by JSON Patch', 'patch', 'canary', 'service-c', '--type=json', '-p', '[{"op":"replace","path":"/spec/scaleDownDelay/previous","value":"3s"}]')
  await ask('label', 'label', 'canary', 'service-c', 'team=one')
  await ask('annotate', 'annotate', 'canary', 'service-c', 'note=one')
  await ask('scale', 'scale', 'deployment/service-b', '--replicas=2')
  await ask('rollout status of what was scaled', 'rollout', 'status', 'deployment/service-b', '--timeout=30s')
  await ask('scale in vain', 'scale', 'deployment/service-b', '--current-replicas=5', '--replicas=1')
  await ask('patch strategically where that works', 'patch', 'deployment', 'service-b', '-p', '{"spec":{"template":{"spec":{"containers":[{"name":"service-b","env":[{"name":"MESSAGE","value":"changed"}]}]}}}}')
}

/** What the sandbox does not promise. */
export async function playOnReal(server: Server, said: Transcript): Promise<void> {
  const ask = async (name: string, ...args: readonly string[]) => (said[name] = timeless(await server.kubectl('-n', NAMESPACE, ...args)))
  await ask('events', 'events', '--for=canary/service-c')
  await ask('explain', 'explain', 'canary.spec.steps')
  await ask('auth can-i', 'auth', 'can-i', 'patch', 'canaries.serin.dev', '--subresource=status')
  await ask('auth can-i of somebody else', 'auth', 'can-i', 'patch', 'canaries.serin.dev', '--as=system:serviceaccount:istioinaction:service-a')
  await ask('diff of nothing', 'diff', '-f', server.canary)
  await ask('diff', 'diff', '-f', server.changed)
  await ask('scale a Canary of versions', 'scale', 'canary/service-c', '--replicas=2')
  await ask('apply --server-side', 'apply', '--server-side', '-f', server.canary)
  await ask('apply --server-side against another', 'apply', '--server-side', '--field-manager=another', '-f', server.changed)
  await ask('wait for a failure that does not come', 'wait', '--for=condition=Promoted=False', 'canary/service-c', '--timeout=1s')
}

/** The end of a session: what it leaves can be asked for no more. */
export async function end(server: Server, said: Transcript): Promise<void> {
  const ask = async (name: string, ...args: readonly string[]) => (said[name] = timeless(await server.kubectl(...args)))
  await ask('delete a Canary', '-n', NAMESPACE, 'delete', 'canary', 'service-c')
  await ask('wait for its deletion', '-n', NAMESPACE, 'wait', '--for=delete', 'canary/service-c', '--timeout=30s')
  await ask('delete by file', 'delete', ...files('service-c-v2'))
  await ask('delete a namespace', 'delete', 'namespace', NAMESPACE, '--timeout=100s')
  await ask('get in a namespace that has gone', '-n', NAMESPACE, 'get', 'canaries')
}

const PLACEHOLDERS: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UID'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\b/g, 'TIME'],
  [/\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, 'TIME'],
  [/\b\d{1,3}(\.\d{1,3}){3}\b/g, 'ADDRESS'],
  [/(service-[a-z](?:-v\d)?)-[0-9a-z]{8,10}-[0-9a-z]{5}\b/g, '$1-POD'],
  [/(service-[a-z](?:-v\d)?)-[0-9bcdf-hj-np-tv-xz]{8,10}\b/g, '$1-HASH'],
  [/(service-[a-z])-[0-9bcdf-hj-np-tv-xz]{5}\b/g, '$1-SLICE'],
  [/pod-template-hash=\w+/g, 'pod-template-hash=HASH'],
  [/(Resource Version: +)\d+/g, '$1VERSION'],
  [/((?:Requests|Needed|Failures|Generation): +)\d+/g, '$1COUNT'],
  [/\d+(?= requests\b)/g, 'COUNT'],
  [/^Waiting for deployment .*\n/gm, ''],
  // The real server says so of an address that its own check met in the moment of its making.
  [/^Events:(?:\n.*){2}(?:\n.*ClusterIPNotAllocated.*)+/gm, 'Events: <none>'],
  // Not after a colon: there stand the waits that somebody wrote.
  [/(?<=^| )(?<!: *)\d+[dhms](?:\d+[hms])?(?=$|[ )])/gm, 'AGE'],
]

/** Without what is another in every run: ages, times, uids, versions, hashes, addresses; and with one space for many, since columns are as wide as their widest cell. */
export function timeless(said: string): string {
  const placed = PLACEHOLDERS.reduce((text, [pattern, word]) => text.replaceAll(pattern, word), said)
  return placed.split('\n').map((line) => line.trimEnd().replaceAll(/(\S) +/g, '$1 ')).join('\n')
}

/** The phases that a watch of canaries showed, each once in a row. */
export function phasesOf(watched: string): string {
  const phases = watched.split('\n').filter((line) => line.startsWith(NAMESPACE)).flatMap((line) => line.trim().split(/ {2,}/)[2] ?? [])
  return phases.filter((phase, index) => phase !== phases[index - 1]).join(' ')
}
