import { misreadings } from '../misreadings.ts'
import { rules } from '../mutations.ts'
import type { Script } from '../script.ts'
import { adopted, darkOf, darkV2, exposedV2, failedOf, late, TARGET, type Trace } from './trace.ts'

/** Users are with the target's own pods again. */
const moved = (script: Script) => script.until(() => script.cluster.truth?.stable.startsWith('target-') === true)

/** Rows 28 and 29: everything is put back without anybody noticing, or nothing is. */
export const DELETIONS: readonly Trace[] = [
  {
    rule: '2, Restore makes before it breaks: the target has its pods, and proxies know them, before a route leads there',
    style: TARGET,
    play: (script) => {
      adopted(script)
      script.users.deleteCanary()
      script.gone()
      const { target, user, rule } = script.cluster.objects
      script.must(target.value?.started === 2 && user.value?.lists.kind === 'open' && rule.value === undefined, 'not everything is as it was')
    },
    without: rules.spread,
    breaks: /pinned to target-a before a proxy knows its subset/,
  },
  {
    rule: '2, a route to every pod stands only once proxies know no others',
    style: TARGET,
    play: (script) => {
      adopted(script)
      script.users.deleteCanary()
      moved(script)
      script.gone()
    },
    without: rules.emptiesLast,
    breaks: /a route is opened while a proxy knows pods of a/,
  },
  {
    rule: '2, a deletion that is overdue once users have moved ends all the same',
    style: TARGET,
    play: (script) => {
      adopted(script)
      script.users.deleteCanary()
      moved(script)
      for (let times = 0; times < 40; times++) {
        script.users.edit('user', { kind: 'open' })
        script.run(20_000)
      }
      script.gone()
      const { user, rule, deployments } = script.cluster.objects
      script.must(user.value?.lists.kind === 'open' && rule.value === undefined && deployments['a']?.value === undefined, 'it ended halfway')
    },
    without: rules.overdueMoved,
    breaks: /it ended halfway/,
  },
  {
    rule: '13, a host that is uncovered is covered while the Canary goes, too',
    style: TARGET,
    play: (script) => {
      adopted(script)
      script.users.deleteCanary()
      script.run(5000)
      script.users.uncover('user')
      script.run(5000)
      script.must(script.cluster.objects.own.value !== undefined, 'the host is uncovered')
      script.gone()
    },
    without: rules.guardsLeaving,
    breaks: /the host is uncovered/,
  },
  {
    rule: '13, a route that is opened too early is closed again',
    style: TARGET,
    play: (script) => {
      adopted(script)
      script.users.deleteCanary()
      script.run(5000)
      script.users.edit('user', { kind: 'open' })
      script.run(5000)
      script.must(script.cluster.objects.user.value?.lists.kind === 'rendered', 'the route stays open')
      script.gone()
    },
    without: rules.guardsLeaving,
    breaks: /the route stays open/,
  },
  {
    rule: '14, its first act is a write to every VirtualService: no raise that was decided before lands after it',
    style: TARGET,
    play: (script) => {
      adopted(script)
      darkOf(script, 'b')
      script.pass(late(10_000))
      const second = script.another()
      script.users.deleteCanary()
      script.run(8000, second)
      script.wait(4000)
      script.must(script.cluster.truth?.exposure === undefined, 'a raise landed after the Canary was deleted')
      script.until(() => script.cluster.objects.canary.value === undefined, second)
    },
    without: rules.stampsDeletion,
    breaks: /a raise landed after the Canary was deleted/,
  },
  {
    rule: '14, from Promoting as well: to stable first',
    play: (script) => {
      darkV2(script)
      script.until(() => script.phase === 'Promoting')
      script.users.deleteCanary()
      script.gone()
      script.must(script.cluster.objects.deployments['v1']?.value?.replicas === 2, 'stable was taken away')
    },
    without: misreadings.backUnseen,
    breaks: /v2 is scaled down while/,
  },
  {
    rule: '14, and from RollingBack: what was named a moment ago drains',
    play: (script) => {
      script.healthy(() => {
        exposedV2(script)
        script.cluster.verdict = 'fail'
        script.until(() => script.phase === 'RollingBack')
      })
      script.users.deleteCanary()
      script.gone()
    },
    without: rules.age,
    breaks: /v2 is scaled down while/,
  },
  {
    rule: '14, and in the middle of an adoption',
    style: TARGET,
    play: (script) => {
      script.before('27', 'routes')
      script.users.deleteCanary()
      script.gone()
      const { target, user } = script.cluster.objects
      script.must(target.value?.started === 2 && user.value?.lists.kind === 'open', 'not everything is as it was')
    },
    without: rules.spread,
    breaks: /pinned to target-a before/,
  },
  {
    rule: 'row 28, where the target says something else than what serves, that stays named, and nothing is put back',
    style: TARGET,
    play: (script) => {
      failedOf(script, 'b')
      script.users.deleteCanary()
      script.run(120_000)
      script.must(script.cluster.objects.target.value?.replicas === 0, 'what failed may be reached')
      script.gone()
      const { deployments, target } = script.cluster.objects
      script.must(script.cluster.truth?.stable === 'a' && deployments['a']?.value?.replicas === 2 && target.value?.replicas === 0, 'what failed may be reached')
    },
    without: rules.saysWhatServes,
    breaks: /what failed may be reached/,
  },
  {
    rule: '13, what is put back is left alone: without a rule no route is pinned again, whoever starts pods',
    play: (script) => {
      adopted(script)
      script.users.deleteCanary()
      script.before('29', 'remove-rule')
      script.pass({ loseStatus: true })
      script.users.template('v2', 'b')
      script.gone()
      script.must(script.cluster.objects.user.value?.lists.kind === 'open', 'what was put back is pinned again')
    },
    without: rules.leavesAlone,
    breaks: /what was put back is pinned again/,
  },
  {
    rule: 'row 29, a deletion that cannot be done within progressDeadline ends, and what serves stays named',
    style: TARGET,
    play: (script) => {
      adopted(script)
      script.users.deleteCanary()
      for (let times = 0; times < 45; times++) {
        script.users.tamperRule()
        script.run(14_000)
      }
      script.must(script.cluster.objects.canary.value === undefined, 'it does not end')
      const { user, deployments } = script.cluster.objects
      script.must(user.value?.lists.kind === 'rendered' && deployments['a']?.value?.replicas === 2, 'what serves is not named')
    },
    without: rules.overdue,
    breaks: /it does not end/,
  },
]
