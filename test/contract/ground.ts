import type { Clock } from '../../src/runtime/clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import type { ClusterPolicies } from './cluster-policy.ts'

/** Who sends a request: a ready pod of a Deployment (of the callers' namespace unless said), or somebody outside, through the ingress gateway. */
export type Caller = 'gateway' | { readonly deployment: string; readonly namespace?: string }

export type Request = {
  /** The Host header: a Service's name, short or full. */
  readonly host: string
  readonly method?: string
  readonly path?: string
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** 10 s unless said. */
  readonly timeoutMs?: number
}

/** `status` 0: no answer, and `body` says why. */
export type Response = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }

/** For `ms`, `rps` requests a second, whether or not answers come. */
export type Load = Request & { readonly rps: number; readonly ms: number }

/** One answer of a load. `at`: when it was asked for, milliseconds of the world's own wall clock. `version`: the label of the pod that answered, "" for an answer of the mesh. */
export type Answer = { readonly at: number; readonly ms: number; readonly status: number; readonly version: string }

/** What differs between the sandbox and the lab. */
export type Ground = {
  readonly kind: 'sandbox' | 'lab'
  /** As an admin of the cluster. */
  readonly kubernetes: Transport
  readonly prometheus: Transport
  /** Of this world alone. */
  readonly namespace: string
  /** What runs on the ground runs on its time. A test itself waits by `sleep`. */
  readonly clock: Clock
  /** Wall clock, milliseconds since the epoch. */
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly request: (from: Caller, request: Request) => Promise<Response>
  readonly load: (from: Caller, load: Load) => Promise<readonly Answer[]>
  /** What the caller's proxy does with a Service's pods, by subset: read back from Envoy itself in the lab. */
  readonly policies: (from: Caller, host: string) => Promise<ClusterPolicies>
  /** Every counter of the caller's proxy starts at 0 again, as after a restart of its container. */
  readonly resetCounters: (from: Caller) => Promise<void>
  /** Ends what the ground itself runs. */
  readonly end: () => void
}
