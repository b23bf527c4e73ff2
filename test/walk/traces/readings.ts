import { rules } from '../mutations.ts'
import { adopted, darkOf, darkV2, exposedV2, failedOf, TARGET, type Trace } from './trace.ts'

/** How the protocol is to be read, section 4. */
export const READINGS: readonly Trace[] = [
  {
    rule: 'status is written after the serving write: who loses every one of them gets there all the same',
    play: (script) => {
      darkV2(script)
      for (let times = 0; times < 200; times++) {
        script.pass({ by: script.another(), loseStatus: times % 2 === 0 })
        script.wait(1000)
      }
      script.end('Idle')
      script.must(script.cluster.truth?.stable === 'v2', 'v2 was not promoted')
    },
  },
  {
    rule: 'a revert while Promoting waits for its end, and is then one step back',
    play: (script) => {
      darkV2(script)
      script.until(() => script.phase === 'Promoting')
      script.users.wish({ desired: 'v1' })
      script.until(() => script.cluster.truth?.stable === 'v2')
      script.until(() => script.cluster.truth?.exposure?.revision === 'v1')
      script.must(script.cluster.truth?.exposure?.weight === 100, 'the way back has steps')
      script.end('Idle')
      script.must(script.cluster.truth?.stable === 'v1' && script.cluster.truth.promotions === 2, 'v1 is not stable again')
    },
    without: rules.supersedesPromoting,
    breaks: /never reached|the way back/,
  },
  {
    rule: 'a new template while RollingBack waits until what failed is gone',
    style: TARGET,
    play: (script) => {
      adopted(script)
      darkOf(script, 'b')
      script.pass()
      script.cluster.verdict = 'fail'
      script.until(() => script.phase === 'RollingBack')
      script.cluster.verdict = 'pass'
      script.users.target({ template: 'c' })
      script.until(() => script.status?.rollout?.revision === 'c')
      script.must(script.cluster.objects.deployments['b']?.value?.replicas === 0, 'c began while b was going')
      script.until(() => script.cluster.truth?.stable === 'c')
    },
  },
  {
    rule: 'b failed, then a, then b: it is tried again, for the target has said a',
    style: TARGET,
    play: (script) => {
      failedOf(script, 'b')
      script.cluster.verdict = 'pass'
      script.users.target({ template: 'a' })
      script.run(5000)
      script.users.target({ template: 'b' })
      script.until(() => script.cluster.truth?.stable === 'b')
    },
    without: rules.remembersFailures,
    breaks: /never reached/,
  },
  {
    rule: 'b failed, then a, then b in one breath: nobody has heard of a, and b stays failed',
    style: TARGET,
    play: (script) => {
      failedOf(script, 'b')
      script.users.target({ template: 'a' })
      script.users.target({ template: 'b' })
      script.end('Failed')
    },
  },
  {
    rule: 'a VirtualService of the user’s that comes back in a rollout on ours mirrors it; ours goes afterwards',
    play: (script) => {
      adopted(script)
      script.users.uncover('user')
      script.run(60_000)
      script.users.template('v2', 'b')
      script.before('18')
      script.pass()
      script.users.cover('user', false)
      script.run(5000)
      const { user, own } = script.cluster.objects
      script.must(own.value !== undefined && user.value?.ledger?.exposure?.step === own.value.ledger?.exposure?.step, 'theirs does not mirror ours')
      script.until(() => script.cluster.truth?.stable === 'v2')
      script.end('Idle')
      script.must(script.cluster.objects.own.value === undefined, 'ours is left')
    },
  },
  {
    rule: 'stable’s Deployment is pruned: nothing rises, and who fails is held where nobody could answer',
    play: (script) => {
      exposedV2(script)
      const { exposure } = script.cluster.truth ?? {}
      script.users.remove('v1')
      script.cluster.verdict = 'fail'
      script.run(300_000)
      script.must(script.cluster.truth?.exposure?.step === exposure?.step && script.phase === 'Progressing', 'it went on, or back to nobody')
      script.users.template('v1', 'a')
      script.end('Failed')
    },
  },
]
