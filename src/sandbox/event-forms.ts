import { isFields } from './json.ts'
import type { KubeObject } from './objects.ts'

/** Field names of an Event in the core group, and what events.k8s.io/v1 calls them. */
const names: readonly (readonly [core: string, events: string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
]
const toEvents = new Map(names)
const toCore = new Map(names.map(([core, events]) => [events, core]))

const renamed = (event: KubeObject, pairs: ReadonlyMap<string, string>, apiVersion: string): KubeObject => {
  const fields = Object.entries(event).map(([field, value]) => [pairs.get(field) ?? field, value])
  return { ...(Object.fromEntries(fields) as KubeObject), apiVersion }
}

/** An Event as the core group writes it, whichever group it came in. */
export const coreEvent = (event: KubeObject): KubeObject => {
  const core = renamed(event, toCore, 'v1')
  return isFields(core['source']) ? core : { ...core, source: {} }
}

/** A stored Event as events.k8s.io/v1 writes it. */
export const eventsV1Event = (event: KubeObject): KubeObject => renamed(event, toEvents, 'events.k8s.io/v1')
