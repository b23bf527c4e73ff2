import type { Pass } from '../../src/canary/decide.ts'
import type { World } from '../../src/canary/world.ts'
import type { Style } from './style.ts'

/** Takes a rule of the protocol out: what the core sees, or what it says, is changed as if the rule were not there. */
export type Mutation = {
  readonly world?: (world: World) => World
  readonly pass?: (pass: Pass, world: World) => Pass
  readonly stale?: false
  readonly live?: false
  /** Writes land whatever they were computed from. */
  readonly fenced?: false
  /** What happens how often, and how many writes land late, where that rule matters. */
  readonly weights?: Readonly<Record<string, number>>
  readonly hangs?: number
  readonly style?: Partial<Style>
}
