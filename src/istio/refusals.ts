import type { Refusal } from '../canary/world.ts'
import type { Mesh } from './mesh.ts'
import { delegateRefusals } from './delegate-refusals.ts'
import { routeRefusals } from './route-refusals.ts'
import { ruleRefusals } from './rule-refusals.ts'
import { serviceRefusals } from './service-refusals.ts'
import { stepRefusals } from './step-refusals.ts'

/** What forbids to start, by name, with what to change. */
export const refusalsOf = (mesh: Mesh): readonly Refusal[] =>
  [...serviceRefusals(mesh), ...ruleRefusals(mesh), ...routeRefusals(mesh), ...stepRefusals(mesh), ...delegateRefusals(mesh)]
