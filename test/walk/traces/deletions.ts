import { rules } from '../mutations.ts'
import type { Script } from '../script.ts'
import { adopted, darkOf, failedOf, late, TARGET, type Trace } from './trace.ts'

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
        script.users.edit('user', { kind: 'user', revision: 'a' })
        script.run(20_000)
      }
      script.gone()
    },
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
    rule: '28, where the target says something else than what serves, that stays named, and nothing is put back',
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
    },
  },
]
