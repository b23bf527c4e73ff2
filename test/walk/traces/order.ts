import { rules } from '../mutations.ts'
import { adopted, darkOf, darkV2, exposedV2, failedOf, TARGET, type Trace } from './trace.ts'

/** What is looked at, and when. */
export const ORDER: readonly Trace[] = [
  {
    rule: '8, Promoting rolls back like Progressing, until the pointer has moved',
    play: (script) => {
      darkV2(script)
      script.until(() => script.phase === 'Promoting')
      script.cluster.verdict = 'fail'
      script.end('Failed')
    },
    without: rules.promoting,
    breaks: /fails in front of users, and row/,
  },
  {
    rule: '9, an older target is not looked at: it does not say that the template was set back',
    style: TARGET,
    play: (script) => {
      adopted(script)
      const { target } = script.cluster.objects
      darkOf(script, 'b')
      script.cluster.verdict = 'fail'
      script.until(() => script.phase === 'Failed')
      const second = script.another()
      second.cache = { ...script.cluster.objects, target }
      script.pass({ by: second, blind: true })
      script.end('Failed')
    },
    without: rules.older,
    breaks: /failures are forgotten, and the target does not say what serves/,
  },
  {
    rule: '12, until the pin a changed template begins adoption anew',
    style: TARGET,
    play: (script) => {
      script.pass()
      script.users.target({ template: 'b' })
      script.end('Idle')
      script.must(script.cluster.truth?.stable === 'b', 'what is not wanted any more was adopted')
    },
    without: rules.firstTemplate,
    breaks: /rests in none|ends Initializing/,
  },
  {
    rule: '12, and what was made for the old one goes',
    style: TARGET,
    play: (script) => {
      script.until(() => script.cluster.objects.deployments['a']?.value !== undefined)
      script.users.target({ template: 'b' })
      script.end('Idle')
      script.must(script.cluster.objects.deployments['a']?.value?.replicas === 0, 'a still has pods')
    },
    without: rules.leftovers,
    breaks: /at rest a still has pods/,
  },
  {
    rule: '13, a host that is uncovered is covered while suspended, too',
    play: (script) => {
      exposedV2(script)
      script.users.wish({ suspend: true })
      script.users.uncover('user')
      script.run(30_000)
      script.must(script.cluster.objects.own.value !== undefined, 'the host is uncovered')
      script.users.wish({ suspend: false })
      script.end('Failed')
    },
    without: rules.suspended,
    breaks: /the host is uncovered, and row/,
  },
  {
    rule: '13, a VirtualService that was replaced is pinned, and ends the rollout',
    play: (script) => {
      exposedV2(script)
      script.users.wish({ suspend: true })
      script.users.cover('user', true)
      script.run(5000)
      script.must(script.cluster.truth?.exposure === undefined, 'the rollout goes on')
      script.users.wish({ suspend: false })
      script.end('Failed')
    },
    without: rules.suspended,
    breaks: /a route reaches every pod, and row/,
  },
  {
    rule: '13, a route that somebody changed is as it was',
    play: (script) => {
      exposedV2(script)
      script.users.wish({ suspend: true })
      script.users.edit('gate', { kind: 'open' })
      script.run(5000)
      script.must(script.cluster.objects.gate.value?.lists.kind === 'rendered', 'a route stays as somebody wrote it')
    },
    without: rules.suspended,
    breaks: /a route reaches every pod, and row/,
  },
  {
    rule: '13, who fails is taken back',
    play: (script) => {
      exposedV2(script)
      script.users.wish({ suspend: true })
      script.cluster.verdict = 'fail'
      script.run(5000)
      script.must(script.cluster.truth?.exposure === undefined, 'the rollout goes on')
    },
    without: rules.suspended,
    breaks: /fails in front of users, and row/,
  },
  {
    rule: '13, and what serves is raised to its floor',
    play: (script) => {
      exposedV2(script)
      script.users.wish({ suspend: true })
      script.users.scale('v1', 1)
      script.run(10_000)
      script.must(script.cluster.objects.deployments['v1']?.value?.replicas === 2, 'stable is below its floor')
    },
    without: rules.suspended,
    breaks: /stable is below its floor/,
  },
  {
    rule: '17, a change of what serves does not make it what is wanted',
    play: (script) => {
      script.healthy(() => {
        exposedV2(script)
        script.cluster.verdict = 'fail'
        script.until(() => script.phase === 'Failed')
      })
      script.users.template('v1', 'x')
      script.end('Failed')
    },
    without: rules.stableSeen,
    breaks: /ends Idle, not Failed/,
  },
  {
    rule: '18, of two versions in one look the later name is taken, and the other recorded',
    play: (script) => {
      adopted(script)
      script.users.template('v3', 'c')
      script.users.template('v2', 'b')
      script.until(() => script.phase === 'Progressing')
      script.must(script.status?.rollout?.revision === 'v3', 'the earlier name was taken')
      script.must(script.status?.history.some(({ revision, result }) => revision === 'v2' && result === 'Superseded') === true, 'v2 is not recorded')
    },
    without: rules.ties,
    breaks: /the earlier name was taken/,
  },
  {
    rule: '19, the target is emptied in every phase, however often Git gives it pods',
    style: TARGET,
    play: (script) => {
      failedOf(script, 'b')
      for (let times = 0; times < 3; times++) {
        script.users.target({ replicas: 2 })
        script.run(5000)
        script.must(script.cluster.objects.target.value?.replicas === 0, 'the target keeps what Git gave it')
        script.run(300_000)
      }
      script.end('Failed')
    },
    without: rules.idleOnly,
    breaks: /the target keeps what Git gave it/,
  },
]
