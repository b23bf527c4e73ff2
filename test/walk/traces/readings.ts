import { misreadings } from '../misreadings.ts'
import { rules } from '../mutations.ts'
import type { Script } from '../script.ts'
import { adopted, darkOf, darkV2, exposedV2, failedOf, TARGET, type Trace } from './trace.ts'

/** The user's VirtualService goes, v2 is rolled out on ours, and theirs is back. */
function backAgain(script: Script): void {
  adopted(script)
  script.users.uncover('user')
  script.run(60_000)
  script.users.template('v2', 'b')
  script.before('18')
  script.pass()
  script.users.cover('user', false)
  script.run(5000)
}

/** How the protocol is to be read. */
export const READINGS: readonly Trace[] = [
  {
    rule: 'a, status is written after the serving write: who loses every one of them gets there all the same',
    play: (script) => {
      darkV2(script)
      for (let times = 0; times < 200; times++) {
        script.pass({ loseStatus: script.servesNext })
        script.wait(1000)
      }
      script.end('Idle')
      script.must(script.cluster.truth?.stable === 'v2', 'v2 was not promoted')
    },
    without: rules.stable,
    breaks: /stable moves from v2 to v1/,
  },
  {
    rule: 'b, a revert while Promoting waits for its end, and is then one step back',
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
    rule: 'c, a new template while RollingBack waits until what failed is gone',
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
    without: misreadings.beginsAtOnce,
    breaks: /c began while b was going/,
  },
  {
    rule: 'd, b failed, then a, then b: it is tried again, for the target has said a',
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
    rule: 'd, b failed, then a, then b in one breath: nobody has heard of a, and b stays failed',
    style: TARGET,
    play: (script) => {
      failedOf(script, 'b')
      script.users.target({ template: 'a' })
      script.users.target({ template: 'b' })
      script.end('Failed')
    },
    without: misreadings.anyChangeRetries,
    breaks: /b failed with this very template/,
  },
  {
    rule: 'e, a VirtualService of the user’s that comes back in a rollout on ours mirrors it',
    play: (script) => {
      backAgain(script)
      const { user, own } = script.cluster.objects
      script.must(user.value?.ledger?.exposure?.step === own.value?.ledger?.exposure?.step, 'theirs does not mirror ours')
      script.until(() => script.cluster.truth?.stable === 'v2')
    },
    without: misreadings.mirrorsNothing,
    breaks: /a route reaches every pod, and row/,
  },
  {
    rule: 'e, ours stays until the rollout is over',
    play: (script) => {
      backAgain(script)
      script.must(script.cluster.objects.own.value !== undefined, 'ours went in the middle of a rollout')
      script.until(() => script.cluster.truth?.stable === 'v2')
    },
    without: misreadings.yieldsAtOnce,
    breaks: /ours went in the middle of a rollout/,
  },
  {
    rule: 'e, and goes afterwards',
    play: (script) => {
      backAgain(script)
      script.end('Idle')
    },
    without: misreadings.neverYields,
    breaks: /our own route stands beside the user’s/,
  },
  {
    rule: 'f, deleted in the middle of a rollout: to stable first, and then as after any other',
    play: (script) => {
      exposedV2(script)
      script.users.deleteCanary()
      script.gone()
      const { user, rule, deployments } = script.cluster.objects
      script.must(user.value?.lists.kind === 'open' && rule.value === undefined && deployments['v2']?.value?.replicas === 0, 'not everything is as it was')
    },
    without: misreadings.backUnseen,
    breaks: /v2 is scaled down while/,
  },
  {
    rule: 'f, where the target says what was being rolled out, stable stays named, and nothing is put back',
    style: TARGET,
    play: (script) => {
      adopted(script)
      darkOf(script, 'b')
      script.pass()
      script.run(20_000)
      script.users.deleteCanary()
      script.gone()
      const { user, deployments, target } = script.cluster.objects
      script.must(user.value?.lists.kind === 'rendered' && deployments['a']?.value?.replicas === 2 && target.value?.replicas === 0, 'what was never promoted may be reached')
    },
    without: rules.saysWhatServes,
    breaks: /what was never promoted may be reached/,
  },
  {
    rule: 'g, stable’s Deployment is pruned: nothing rises',
    play: (script) => {
      exposedV2(script)
      const { exposure } = script.cluster.truth ?? {}
      script.users.remove('v1')
      script.run(300_000)
      script.must(script.cluster.truth?.exposure?.step === exposure?.step && script.phase === 'Progressing', 'it went on, or back to nobody')
    },
    without: misreadings.believesStable,
    breaks: /it went on, or back to nobody/,
  },
  {
    rule: 'g, and who fails is held where nobody could answer',
    play: (script) => {
      exposedV2(script)
      script.users.remove('v1')
      script.cluster.verdict = 'fail'
      script.run(300_000)
      script.must(script.cluster.truth?.exposure !== undefined && script.phase === 'Progressing', 'it went back to nobody')
      script.users.template('v1', 'a')
      script.end('Failed')
    },
    without: misreadings.believesStable,
    breaks: /it went back to nobody/,
  },
  {
    rule: 'g, and goes back where pods of it are left',
    play: (script) => {
      exposedV2(script)
      script.users.prune('v1')
      script.cluster.verdict = 'fail'
      script.end('Failed')
    },
    without: misreadings.answersByDeployment,
    breaks: /the canary fails in front of users, and row/,
  },
]
