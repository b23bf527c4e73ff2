import type { Refusal } from '../canary/world.ts'
import type { Mesh } from './mesh.ts'

/** What forbids to start, by name, with what to change. */
export function refusalsOf(_mesh: Mesh): readonly Refusal[] {
  return []
}
