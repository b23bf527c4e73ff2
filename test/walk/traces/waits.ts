import { rules } from '../mutations.ts'
import { adopted, darkOf, darkV2, promotedV2, TARGET, type Trace } from './trace.ts'

/** Every wait belongs to content, on the own clock. */
export const WAITS: readonly Trace[] = [
  {
    rule: '4, an open route that was closed a moment ago is still open for proxies: nothing is made',
    style: TARGET,
    play: (script) => {
      adopted(script)
      script.users.edit('user', { kind: 'open' })
      script.run(14_000)
      script.users.target({ template: 'b' })
      script.users.edit('user', { kind: 'open' })
      script.run(14_000)
      script.until(() => script.cluster.truth?.stable === 'b')
    },
    without: rules.age,
    breaks: /b grows while a proxy sends requests to every pod/,
  },
  {
    rule: '4, nor is the target emptied while its pods may be called',
    style: TARGET,
    play: (script) => script.end('Idle'),
    without: rules.age,
    breaks: /\* loses the target’s pods while/,
  },
  {
    rule: '5, pods that became ready a moment ago are unknown to proxies',
    play: (script) => {
      darkV2(script)
      script.users.probes('v2', false)
      script.wait(20_000)
      script.users.probes('v2', true)
      script.wait(1000)
      script.until(() => script.cluster.truth?.stable === 'v2')
    },
    without: rules.ready,
    breaks: /v2 is named before a proxy knows its endpoints/,
  },
  {
    rule: '5, and so are those in addition',
    style: TARGET,
    play: (script) => {
      adopted(script)
      script.users.wish({ replicas: 4 })
      script.run(30_000)
      darkOf(script, 'b')
      script.until(() => script.cluster.truth?.stable === 'b')
    },
    without: rules.ready,
    breaks: /b gets what \d pods take while a proxy knows \d/,
  },
  {
    rule: '5, and so is a subset',
    play: promotedV2,
    without: rules.subsets,
    breaks: /v2 is named before a proxy knows its subset/,
  },
  {
    rule: '10, one step back is a first exposure where pods have not stood for long enough',
    play: (script) => {
      promotedV2(script)
      script.users.probes('v1', false)
      script.run(20_000)
      script.users.probes('v1', true)
      script.users.wish({ desired: 'v1' })
      script.until(() => script.cluster.truth?.stable === 'v1')
    },
    without: rules.revert,
    breaks: /v1 is named before a proxy knows its endpoints/,
  },
  {
    rule: '10, what served within rollbackWindow is made ready as for any first exposure',
    play: (script) => {
      script.healthy(() => {
        promotedV2(script)
        script.until(() => script.cluster.objects.deployments['v1']?.value?.replicas === 0)
        script.run(60_000)
      })
      script.users.wish({ desired: 'v1' })
      script.until(() => script.cluster.truth?.exposure !== undefined)
      script.must(script.cluster.truth?.exposure?.weight === 100, 'the way back has steps')
      script.until(() => script.cluster.truth?.stable === 'v1')
    },
    without: rules.spread,
    breaks: /v1 is named before a proxy knows/,
  },
  {
    rule: '11, an age counts on the own clock: to a new leader everything is new',
    play: (script) => {
      adopted(script)
      script.users.template('v2', 'b')
      script.before('17', 'rule')
      script.pass()
      const second = script.another()
      script.until(() => script.cluster.truth?.stable === 'v2', second)
    },
    without: rules.clocks,
    breaks: /v2 is named before a proxy knows its subset/,
  },
  {
    rule: '15, a superseded canary keeps its pods for propagation and drain',
    style: TARGET,
    play: (script) => {
      adopted(script)
      darkOf(script, 'b')
      script.pass()
      script.run(20_000)
      script.users.target({ template: 'c' })
      script.until(() => script.cluster.truth?.stable === 'c')
    },
    without: rules.supersede,
    breaks: /b is scaled down while/,
  },
]
