import type { Mutation } from '../mutation.ts'
import type { Script } from '../script.ts'
import type { Style } from '../style.ts'

/** A schedule of the protocol's: it ends well, and does not where the rule is taken out. */
export type Trace = {
  /** Number or letter of docs/protocol.md, or the row, and what of it this shows. */
  readonly rule: `${string}, ${string}`
  readonly style?: Partial<Style>
  readonly play: (script: Script) => void
  /** The machine without the rule, and what then breaks. */
  readonly without: Mutation
  readonly breaks: RegExp
}

/** Of a write that lands long after everything it rested on has changed. */
export const late = (ms = 60_000) => ({ hangs: () => ms })

export const TARGET: Partial<Style> = { source: 'target' }

/** v1 serves; v2 is there, dark, and would be named next. */
export function darkV2(script: Script): void {
  adopted(script)
  script.users.template('v2', 'b')
  script.before('18')
}

/** Adopted, and this revision released and failed by its checks. */
export function failedOf(script: Script, revision: string): void {
  adopted(script)
  darkOf(script, revision)
  script.cluster.verdict = 'fail'
  script.until(() => script.phase === 'Failed')
}

/** Stable serves, and nothing is on its way. */
export function adopted(script: Script): void {
  script.healthy(() => {
    script.until(() => script.phase === 'Idle')
    script.run(40_000)
  })
}

/** v2 has its first users. */
export function exposedV2(script: Script): void {
  darkV2(script)
  script.pass()
  script.run(20_000)
}

/** v2 is stable, and v1 still stands by. */
export function promotedV2(script: Script): void {
  darkV2(script)
  script.until(() => script.cluster.truth?.stable === 'v2')
  script.run(5000)
}

/** Of a target: `revision` is there, dark, and would be named next. */
export function darkOf(script: Script, revision: string): void {
  script.users.target({ template: revision })
  script.before('18')
}
