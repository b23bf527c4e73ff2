import type { Ledger } from '../../src/canary/ledger.ts'
import type { Objects } from './objects.ts'
import type { Style } from './style.ts'

/** Pods that the canary needs for what a ledger says it gets: told anew here, for the walk believes nothing of the core's. */
export function podsNeeded({ stable, exposure }: Omit<Ledger, 'uid'>, { deployments }: Objects, { source, canaryReplicas }: Style): number {
  if (exposure === undefined) return 0
  const { weight, preview = [] } = exposure
  const serving = deployments[stable]?.value
  // Without its Deployment nobody knows how many pods it had.
  const ofStable = serving === undefined || serving.orphaned ? 0 : serving.replicas
  if (weight === 100) return Math.max(1, ofStable)
  if (weight === 0 && preview.length === 0) return 0
  if (source === 'target' && canaryReplicas !== undefined) return canaryReplicas
  return Math.max(1, Math.ceil((ofStable * weight) / 100))
}
