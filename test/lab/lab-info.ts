/** What a suite that runs in the lab is told of it: addresses are of the lab's own network namespaces. */
export type LabInfo = {
  readonly grade: Grade
  /** Milliseconds that istiod waits after a change (PILOT_DEBOUNCE_AFTER). */
  readonly debounceMs: number
  /** https URL of the API server, its certificate (PEM), and a token of a cluster admin. */
  readonly apiServer: string
  readonly ca: string
  readonly token: string
  readonly prometheus: string
  /** http URL of the lab's own switches: see `switches.ts`. */
  readonly switches: string
  /** Logs, one file a process; the audit log of the API server is `audit.log`. */
  readonly directory: string
  /** Paths of what was built, by name: kubectl, helm, … */
  readonly binaries: Readonly<Record<string, string>>
}

/** `mtls`: Istio's agent and certificates in every pod. `plain`: a bare Envoy in each, for speed. */
export type Grade = 'mtls' | 'plain'

/** Port of each pod's app that only tests call: it is not captured by the sidecar. */
export const CONTROL_PORT = 9099

/** POST /call on a pod's control port: one request as that pod's app would send it. */
export type Call = {
  readonly url: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

export type CallAnswer =
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string; readonly ms: number }
  | { readonly error: string; readonly ms: number }

/** POST /load on a pod's control port: requests at a fixed rate; answers one `LoadAnswer` a line as they come, and ends after `ms`. */
export type Load = Call & { readonly rps: number; readonly ms: number }

/** `at`: when the request was sent, milliseconds since the epoch. `version`: of the pod that answered, "" for an answer of the mesh. `body`: the beginning of one that is not 200. */
export type LoadAnswer = { readonly at: number; readonly ms: number; readonly status: number | string; readonly version: string; readonly body?: string }
