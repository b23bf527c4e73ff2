import type { Ledger } from '../canary/ledger.ts'
import { originalOf, type HttpRoute } from './http-route.ts'
import { sameJson, type Json, type JsonPatch, type JsonPatchOperation } from './json.ts'
import type { Saved } from './ledger-annotation.ts'
import type { Mesh, VirtualService } from './mesh.ts'
import { renderedRoute } from './rendered-route.ts'
import { tcpOperations } from './tcp-routes.ts'

/**
 * Operations that make the managed lists and the inserted routes say what the ledger says; none when they do.
 * From the last route to the first, so that the index of what is still to come stays right.
 */
export function listOperations(service: VirtualService, mesh: Mesh, saved: Saved, ledger: Omit<Ledger, 'uid'>): JsonPatch {
  const kept = new Set<HttpRoute>()
  const http = service.routes.toReversed().flatMap((route): JsonPatch => {
    const original = originalOf(route, { saved })
    if (route.copy !== undefined) return kept.has(route) ? [] : [{ op: 'remove', path: `/spec/http/${route.index}` }]
    if (!route.managed || original === undefined) return []
    const { list, copies } = renderedRoute(route, original, ledger, { mesh, service })
    const relist = replaced(`/spec/http/${route.index}/route`, route.list, list)
    const standing = copiesBefore(route, service)
    const isInPlace = sameJson(standing.map(({ id }) => id), copies.map(({ name }) => name))
    if (!isInPlace) return [...relist, ...inserted(route.index, copies)]
    for (const copy of standing) kept.add(copy)
    return [...relist, ...standing.flatMap(({ raw, index }, i) => replaced(`/spec/http/${index}`, raw, copies[i]))]
  })
  return [...http, ...tcpOperations(service, mesh.input, ledger.stable)]
}

const replaced = (path: string, before: unknown, value: unknown): readonly JsonPatchOperation[] =>
  sameJson(before, value) ? [] : [{ op: 'replace', path, value }]

const inserted = (index: number, routes: readonly Json[]): readonly JsonPatchOperation[] =>
  routes.toReversed().map((value) => ({ op: 'add', path: `/spec/http/${index}`, value }))

/** What Serin inserted directly before a route, in order. */
function copiesBefore({ id, index }: HttpRoute, { routes }: VirtualService): readonly HttpRoute[] {
  const start = routes.slice(0, index).findLastIndex(({ copy }) => copy?.of !== id) + 1
  return routes.slice(start, index)
}
