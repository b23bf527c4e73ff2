import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { defaultSettings, readConfig, usage } from './config.ts'

const electionOf = (argv: readonly string[], env: Readonly<Record<string, string>> = {}, namespaceFile = join(tmpdir(), 'no-such-file')) => {
  const config = readConfig(argv, env, namespaceFile)
  return config === 'help' ? undefined : config.operator.election
}

describe('the flags', () => {
  it('have defaults, and the same ones for whoever runs an operator inside another program', () => {
    const config = readConfig([], { HOSTNAME: 'serin-7' }, join(tmpdir(), 'no-such-file'))
    expect(config).toMatchObject({ operator: { propagationMs: 15_000, instance: 'serin-7', namespaces: [], maxRollouts: 0, maxRolloutsPerNamespace: 0, healthPort: 8080 }, kubeconfig: undefined, logLevel: 'info' })
    expect({ operator: { ...defaultSettings('serin-7'), healthPort: 8080, election: electionOf([]) } }).toEqual({ operator: config === 'help' ? undefined : config.operator })
  })

  it('name the namespaces to watch, and how many releases may be under way', () => {
    expect(readConfig(['--watch-namespaces=shop,bank', '--max-rollouts=3', '--max-rollouts-per-namespace', '1'], {}))
      .toMatchObject({ operator: { namespaces: ['shop', 'bank'], maxRollouts: 3, maxRolloutsPerNamespace: 1 } })
  })

  it('elect a leader as client-go does, unless told not to', () => {
    expect(electionOf([])).toEqual({ lease: { namespace: 'serin-system', name: 'serin' }, leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 })
    expect(electionOf(['--leader-elect=false'])).toBeUndefined()
    expect(defaultSettings('serin-7').election).toBeUndefined()
    expect(electionOf(['--leader-elect-lease', 'other', '--lease-duration=1m', '--renew-deadline', '40s', '--retry-period', '500ms']))
      .toMatchObject({ lease: { name: 'other' }, leaseDurationMs: 60_000, renewDeadlineMs: 40_000, retryPeriodMs: 500 })
  })

  it("look for the lease where they are told, else in the pod's namespace, by environment or file, else in serin-system", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'serin-config-'))
    const file = join(folder, 'namespace')
    const namespaceOf = (argv: readonly string[], env: Readonly<Record<string, string>>) => electionOf(argv, env, file)?.lease.namespace
    expect(namespaceOf([], {})).toBe('serin-system')
    await writeFile(file, 'from-file\n')
    expect(namespaceOf([], {})).toBe('from-file')
    expect(namespaceOf([], { POD_NAMESPACE: '' })).toBe('from-file')
    expect(namespaceOf([], { POD_NAMESPACE: 'from-env' })).toBe('from-env')
    expect(namespaceOf(['--leader-elect-namespace', 'from-flag'], { POD_NAMESPACE: 'from-env' })).toBe('from-flag')
    await rm(folder, { recursive: true })
  })

  it.each([
    [['--watch-namespaces', 'shop, bank'], '--watch-namespaces: "shop, bank" does not do'],
    [['--watch-namespaces', 'shop,shop'], '--watch-namespaces: "shop,shop" does not do'],
    [['--max-rollouts', '1.5'], '--max-rollouts: "1.5" is no whole number from 0'],
    [['--propagation', 'soon'], '--propagation: "soon" is no duration'],
    [['--concurrency', '0'], '--concurrency: "0" is no whole number'],
    [['--prometheus-url', 'prometheus:9090'], '--prometheus-url: "prometheus:9090" is no http or https URL'],
    [['--log-level', 'loud'], '--log-level: "loud" is none of'],
    [['--nonsense'], '--nonsense'],
    [['--leader-elect', 'maybe'], '--leader-elect: "maybe" is neither true nor false'],
    [['--leader-elect-lease', ''], '--leader-elect-lease: "" does not do: write a name'],
    [['--retry-period', '0s'], '--retry-period: "0s" does not do: write more than 0s'],
    [['--renew-deadline', '12s', '--retry-period', '10s'], '--renew-deadline: "12s" does not do: write more than 1.2 times --retry-period, 12s'],
    [['--lease-duration', '10s'], '--lease-duration: "10s" does not do: write more than --renew-deadline, 10s'],
    [['--request-timeout', '6s'], '--request-timeout: "6s" does not do: write at most --lease-duration less --renew-deadline, 5s'],
  ])('%j is refused with what is wrong', (argv, message) => {
    expect(() => readConfig(argv, {})).toThrow(message)
  })

  it('are all told by --help', () => {
    expect(readConfig(['--help'], {})).toBe('help')
    expect(usage()).toContain('--propagation')
  })
})
