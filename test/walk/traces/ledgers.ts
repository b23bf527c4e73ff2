import { rules } from '../mutations.ts'
import type { Script } from '../script.ts'
import { adopted, darkOf, darkV2, exposedV2, promotedV2, TARGET, type Trace } from './trace.ts'

/** v2 was asked for by its name, and failed. */
function failedByName(script: Script): void {
  adopted(script)
  script.users.template('v2', 'b')
  script.users.wish({ desired: 'v2' })
  script.before('18')
  script.pass()
  script.cluster.verdict = 'fail'
  script.until(() => script.phase === 'Failed')
  script.cluster.verdict = 'pass'
}

/** What stands in the routes outlives whoever wrote it. */
export const LEDGERS: readonly Trace[] = [
  {
    rule: '3, the tombstone is written with the route: who dies after that write has said it all',
    play: (script) => {
      exposedV2(script)
      script.cluster.verdict = 'fail'
      script.before('4')
      script.pass({ loseStatus: true })
      script.cluster.verdict = 'pass'
      script.until(() => script.phase === 'Failed', script.another())
      script.end('Failed')
    },
    without: rules.tombstones,
    breaks: /v2 is exposed again/,
  },
  {
    rule: '3, our own route is made with it',
    play: (script) => {
      exposedV2(script)
      script.users.uncover('user')
      script.pass({ loseStatus: true })
      script.until(() => script.phase === 'Failed', script.another())
      script.end('Failed')
    },
    without: rules.tombstones,
    breaks: /v2 is exposed again/,
  },
  {
    rule: '3, a VirtualService that was replaced ends the rollout before anything is repaired',
    play: (script) => {
      exposedV2(script)
      script.users.cover('user', true)
      script.pass({ loseStatus: true })
      script.must(script.cluster.counts['row 3'] === 1, 'it was not looked at first')
      script.until(() => script.phase === 'Failed', script.another())
      script.end('Failed')
    },
    without: rules.tombstones,
    breaks: /v2 is exposed again/,
  },
  {
    rule: '3, and outlives the opening that a way back goes by',
    play: (script) => {
      promotedV2(script)
      script.users.wish({ desired: 'v1' })
      script.until(() => script.cluster.truth?.exposure?.revision === 'v1')
      script.cluster.verdict = 'fail'
      script.until(() => script.cluster.truth?.open['v1'] === undefined)
      script.cluster.verdict = 'pass'
      script.end('Failed')
    },
    without: rules.outlives,
    breaks: /v1 is exposed again by the rollout that failed/,
  },
  {
    rule: '6, stable stands in the VirtualService: a promotion that nobody told of is one',
    play: (script) => {
      darkV2(script)
      script.until(() => script.phase === 'Promoting')
      script.before('20')
      script.pass({ loseStatus: true })
      script.until(() => script.status?.stableRevision === 'v2', script.another())
      script.end('Idle')
    },
    without: rules.stable,
    breaks: /stable moves from v2 to v1/,
  },
  {
    rule: '7, a rollout that is aborted in the dark has failed',
    play: (script) => {
      darkV2(script)
      script.users.ask('Abort', 'v2')
      script.pass({ loseStatus: true })
      script.run(120_000)
      script.end('Failed')
    },
    without: rules.otherEnds,
    breaks: /v2 is exposed again|on over an abort|ends Idle/,
  },
  {
    rule: '7, a route that somebody took back to stable ends the rollout for good',
    play: (script) => {
      exposedV2(script)
      script.users.edit('user', { kind: 'user', revision: 'v1' })
      script.pass({ loseStatus: true })
      script.users.sync('user')
      script.end('Failed')
    },
    without: rules.otherEnds,
    breaks: /v2 is exposed again|ends Idle/,
  },
  {
    rule: '16, tombstones are kept per version: a later failure forgets no earlier one',
    style: TARGET,
    play: (script) => {
      adopted(script)
      for (const template of ['b', 'c']) {
        darkOf(script, template)
        script.cluster.verdict = 'fail'
        script.until(() => script.phase === 'Failed')
      }
      script.cluster.verdict = 'pass'
      script.users.target({ template: 'b' })
      script.end('Failed')
    },
    without: rules.perVersion,
    breaks: /b failed with this very template/,
  },
  {
    rule: '16, naming a version anew in desired is a retry of it',
    play: (script) => {
      failedByName(script)
      script.users.wish({ desired: 'v1' })
      script.run(5000)
      script.users.wish({ desired: 'v2' })
      script.until(() => script.cluster.truth?.stable === 'v2')
    },
    without: rules.naming,
    breaks: /never reached/,
  },
  {
    rule: '16, and so is naming it at all, where it failed unnamed',
    play: (script) => {
      exposedV2(script)
      script.cluster.verdict = 'fail'
      script.until(() => script.phase === 'Failed')
      script.cluster.verdict = 'pass'
      script.users.wish({ desired: 'v2' })
      script.until(() => script.cluster.truth?.stable === 'v2')
    },
    without: rules.namedAnew,
    breaks: /never reached/,
  },
  {
    rule: '16, but not that it is named still',
    play: (script) => {
      failedByName(script)
      script.end('Failed')
    },
    without: rules.namedStill,
    breaks: /v2 failed with this very template/,
  },
  {
    rule: '16, a version is tried again when its template changes',
    play: (script) => {
      failedByName(script)
      script.users.template('v2', 'c')
      script.until(() => script.cluster.truth?.stable === 'v2')
    },
    without: rules.changed,
    breaks: /never reached/,
  },
]
