import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The address of everything that is no pod: API server, istiod, Prometheus. Kubernetes takes no loopback address in an EndpointSlice. */
export const CONTROL_PLANE = '10.244.0.1'
const SERVICES = '10.96.0.0/16'
export const SERVICE_RANGE = SERVICES

/** The bridge that all pods hang on. */
export const createNetwork = (): Promise<unknown> =>
  shell(`ip link add lab0 type bridge && ip addr add ${CONTROL_PLANE}/16 dev lab0 && ip link set lab0 up && ip route add ${SERVICES} dev lab0`)

/** An address for each pod, never used twice: a proxy elsewhere may still hold an old one. */
export class Addresses {
  #last = 255

  next(): { readonly name: string; readonly address: string } {
    this.#last++
    return { name: `pod${this.#last}`, address: `10.244.${this.#last >> 8}.${this.#last & 255}` }
  }
}

/**
 * A network namespace with the address. What the pod sends to Services goes to its sidecar (15001), and so does what it
 * gets at `port` (15006): calls by pod address do not, nor do calls to other ports.
 */
export const createPodNetwork = (name: string, address: string, captured: number | undefined): Promise<unknown> => {
  const inside = `nsenter --net=/run/netns/${name}`
  return shell([
    `ip netns add ${name}`,
    `ip link add ${name} type veth peer name eth0 netns ${name}`,
    `ip link set ${name} master lab0 up`,
    `${inside} sh -c '${[
      'ip link set lo up',
      `ip addr add ${address}/16 dev eth0`,
      'ip link set eth0 up',
      `ip route add default via ${CONTROL_PLANE}`,
      ...(captured === undefined ? [] : [
        `iptables -w -t nat -A OUTPUT -p tcp -d ${SERVICES} -j REDIRECT --to-ports 15001`,
        `iptables -w -t nat -A PREROUTING -p tcp --dport ${captured} -j REDIRECT --to-ports 15006`,
      ]),
    ].join(' && ')}'`,
  ].join(' && '))
}

export const removePodNetwork = (name: string): Promise<unknown> => shell(`ip netns del ${name}`)

const shell = (script: string): Promise<unknown> => run('sh', ['-c', script])
