import { rules } from '../mutations.ts'
import { adopted, darkV2, late, promotedV2, TARGET, type Trace } from './trace.ts'

/** The traces of rule 1: the danger is across two objects. */
export const FENCES: readonly Trace[] = [
  {
    rule: '1, a raise that was decided before its canary was taken away lands on nothing',
    play: (script) => {
      darkV2(script)
      script.pass(late())
      const second = script.another()
      script.users.wish({ desired: 'v1' })
      script.until(() => script.phase === 'Idle', second)
      script.run(60_000, second)
      script.must(script.cluster.objects.deployments['v2']?.value?.replicas === 0, 'v2 still has pods')
      script.end('Idle')
    },
    without: rules.closing,
    breaks: /v2 is named before|no endpoint/,
  },
  {
    rule: '1, a rollback that was decided before stable was left does not land',
    play: (script) => {
      darkV2(script)
      script.until(() => script.phase === 'Promoting')
      script.cluster.verdict = 'fail'
      script.before('4')
      script.pass(late())
      const second = script.another()
      script.cluster.verdict = 'pass'
      script.until(() => script.cluster.truth?.stable === 'v2', second)
      script.run(60_000, second)
      script.end('Idle')
    },
    without: rules.fence,
    breaks: /stable moves from v2 to v1 without a promotion/,
  },
  {
    rule: '1, a scale-down that was decided before its revision was wanted again does not land',
    play: (script) => {
      darkV2(script)
      script.users.wish({ desired: 'v1' })
      script.until(() => script.cluster.truth?.open['v2'] === undefined)
      script.before('14', 'workload')
      script.pass(late())
      const second = script.another()
      script.users.wish({ desired: 'v2' })
      script.until(() => script.cluster.truth?.exposure?.revision === 'v2', second)
      script.run(60_000, second)
      script.until(() => script.cluster.truth?.stable === 'v2', second)
    },
    without: rules.stamps,
    breaks: /v2 is scaled down while|no endpoint|the pods of v2/,
  },
  {
    rule: '1, nor does one of the stable before, which is wanted back',
    play: (script) => {
      promotedV2(script)
      script.before('23', 'workload')
      script.pass(late())
      const second = script.another()
      script.users.wish({ desired: 'v1' })
      script.until(() => script.cluster.truth?.stable === 'v1', second)
      script.run(60_000, second)
    },
    without: rules.stamps,
    breaks: /v1 is scaled down while|no endpoint|the pods of v1/,
  },
  {
    rule: '1, a shrink of stable that was decided before a rollout began does not land below its floor',
    style: TARGET,
    play: (script) => {
      adopted(script)
      script.users.wish({ replicas: 4 })
      script.run(20_000)
      script.users.wish({ replicas: 1 })
      script.before('25')
      script.pass(late())
      const second = script.another()
      script.users.wish({ replicas: 4 })
      script.users.target({ template: 'b' })
      script.run(60_000, second)
      script.must(script.cluster.objects.deployments['a']?.value?.replicas === 4, 'stable is smaller than when the rollout began')
      script.until(() => script.cluster.truth?.stable === 'b', second)
    },
    without: rules.floor,
    breaks: /a is shrunk below its floor|stable is smaller/,
  },
]
