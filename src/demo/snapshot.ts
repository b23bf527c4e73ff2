import { canaryOf, gatesOf, type Model, streamOf, versionOf, type VersionView } from './model.ts'
import { isReady } from '../sandbox/route-pods.ts'
import type { Stage } from './stage.ts'
import { ACTS, podsOf, SERVICE, type Story } from './story.ts'

/** All there is to see of the story at this moment. */
export function snapshot(story: Story, stage: Stage): Model {
  const { chronicle, act, users, bare } = story
  const now = stage.clock.now()
  return {
    act,
    acts: ACTS.map((each, index) => ({ ...each, users: story.ended[index] })),
    elapsedMs: chronicle.elapsedMs,
    users: users && streamOf(users, now),
    bare: bare && streamOf(bare, now),
    canary: canaryOf(chronicle),
    gates: gatesOf(chronicle),
    versions: versionsOf(story, stage),
    moments: chronicle.moments,
  }
}

function versionsOf({ chronicle: { live: status } }: Story, { sandbox }: Stage): readonly VersionView[] {
  const pods = podsOf(sandbox.cluster.reader).map((pod) => ({ version: pod.metadata.labels?.['version'] ?? '', ready: isReady(pod) }))
  const tallies = sandbox.mesh.tally(SERVICE)
  const names = new Set([...(status?.seen ?? []).map(({ revision }) => revision), ...pods.map(({ version }) => version)])
  return [...names].toSorted().map((version) => {
    const mine = pods.filter((pod) => pod.version === version)
    return versionOf(status, { version, pods: mine.length, ready: mine.filter(({ ready }) => ready).length, tally: tallies.find((tally) => tally.version === version) })
  })
}
