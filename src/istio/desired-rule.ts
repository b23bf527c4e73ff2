import { originalOf } from './http-route.ts'
import { jsonOf, labelsOf, listOf, parsed, sameJson, specOf, type Json } from './json.ts'
import type { Mesh } from './mesh.ts'
import { subsetLabels, subsetName } from './subset-name.ts'

/** On Serin's DestinationRule: revision → the rollout its subset was stamped with, as JSON. */
export const STAMPS = 'serin.dev/stamps'

/**
 * The spec our rule must have for these revisions, as design demands of two rules for one host: beside a rule of the
 * user's, its exportTo as written and no policy of our own; where only a broader one governs, a copy of its policy.
 */
export function desiredSpec(mesh: Mesh, revisions: readonly string[]): Json {
  const { fqdn, input, rules, services } = mesh
  const managed = services.find(({ own, routes }) => !own && routes.some((route) => route.managed))
  const followed = rules.host[0] ?? (rules.broader && managed?.object)
  const exportTo = followed && specOf(followed)['exportTo']
  const policy = rules.broader && specOf(rules.broader)['trafficPolicy']
  const subsetPolicy = namedPolicy(mesh)
  return {
    host: fqdn,
    ...(exportTo === undefined ? {} : { exportTo }),
    ...(policy === undefined ? {} : { trafficPolicy: policy }),
    subsets: revisions.toSorted().map((revision) => ({
      name: subsetName(revision),
      labels: subsetLabels(revision, input.settings),
      ...(subsetPolicy === undefined ? {} : { trafficPolicy: subsetPolicy }),
    })),
  }
}

/** Revision → stamp, of the subsets that really stand in our rule. */
export function standingSubsets({ rules: { own }, input }: Mesh): Readonly<Record<string, string>> {
  if (own === undefined) return {}
  const subsets = listOf(specOf(own)['subsets'])
  const stands = (revision: string) => subsets.some(({ name, labels }) =>
    name === subsetName(revision) && sameJson(labels, subsetLabels(revision, input.settings)))
  return Object.fromEntries(Object.entries(stampsOf(own.metadata.annotations)).filter(([revision]) => stands(revision)))
}

/** Revision → stamp, as our rule's annotation says. */
export const stampsOf = (annotations: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> =>
  labelsOf(parsed(annotations?.[STAMPS]))

/** The policy of the first subset of the user's that a managed route named and that has one. */
function namedPolicy(mesh: Mesh): unknown {
  const named = mesh.services.flatMap((service) => service.routes.filter((route) => route.managed)
    .flatMap((route) => originalOf(route, service) ?? route.list)
    .filter(({ destination }) => mesh.reach(destination, service.namespace) !== undefined)
    .map(({ destination }) => jsonOf(destination)['subset']))
  const subsets = mesh.rules.host.flatMap((rule) => listOf(specOf(rule)['subsets']))
  return named.map((name) => subsets.find((subset) => subset['name'] === name)?.['trafficPolicy'])
    .find((policy) => policy !== undefined)
}
