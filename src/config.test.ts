import { describe, expect, it } from 'vitest'
import { defaultSettings, readConfig, usage } from './config.ts'

describe('the flags', () => {
  it('have defaults, and the same ones for whoever runs an operator inside another program', () => {
    const config = readConfig([], { HOSTNAME: 'serin-7' })
    expect(config).toMatchObject({ operator: { propagationMs: 15_000, instance: 'serin-7', namespace: undefined, healthPort: 8080 }, kubeconfig: undefined, logLevel: 'info' })
    expect({ operator: { ...defaultSettings('serin-7'), healthPort: 8080 } }).toEqual({ operator: config === 'help' ? undefined : config.operator })
  })

  it.each([
    [['--propagation', 'soon'], '--propagation: "soon" is no duration'],
    [['--concurrency', '0'], '--concurrency: "0" is no whole number'],
    [['--prometheus-url', 'prometheus:9090'], '--prometheus-url: "prometheus:9090" is no http or https URL'],
    [['--log-level', 'loud'], '--log-level: "loud" is none of'],
    [['--nonsense'], '--nonsense'],
  ])('%j is refused with what is wrong', (argv, message) => {
    expect(() => readConfig(argv, {})).toThrow(message)
  })

  it('are all told by --help', () => {
    expect(readConfig(['--help'], {})).toBe('help')
    expect(usage()).toContain('--propagation')
  })
})
