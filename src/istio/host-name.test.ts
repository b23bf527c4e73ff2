import { expect, it } from 'vitest'
import { hostCovers, resolvedHost } from './host-name.ts'
import { serviceHosts } from './hosts.ts'
import { HOST, meshInput, virtualService } from './mesh.fixture.ts'

it.each([
  ['reviews', HOST],
  ['reviews.test', 'reviews.test'],
  [HOST, HOST],
  ['*', '*'],
])('reads the host %s as %s: only a name without a dot is short', (host, expected) => {
  expect(resolvedHost(host, 'test', 'cluster.local')).toBe(expected)
})

it.each([
  ['*', true], ['*.test.svc.cluster.local', true], ['*.local', true], [HOST, true], ['*.other.svc.cluster.local', false], ['reviews.test', false],
])('the host %s takes in the Service: %s', (host, expected) => {
  expect(hostCovers(host, HOST)).toBe(expected)
})

it('lists the names of the Service and the hosts of its managed routes, as callers write them', () => {
  const services = [
    virtualService('gate', [{ route: [{ destination: { host: 'reviews' } }] }], { hosts: ['*', 'shop.example', '*.example'] }),
    virtualService('foreign', [{ route: [{ destination: { host: 'ratings' } }] }], { hosts: ['ratings'] }),
  ]
  expect(serviceHosts(meshInput({ virtualServices: services }))).toEqual([HOST, 'reviews.test.svc', 'reviews.test', 'reviews', 'shop.example'])
})
