import http from 'node:http'
import { CONTROL_PLANE } from './network.ts'

export type Switched = 'istiod' | 'prometheus'

export type Switches = {
  readonly stop: (name: Switched, signal: NodeJS.Signals) => Promise<void>
  readonly start: (name: Switched, options: { readonly debounceMs?: number }) => Promise<void>
  /** Kills a pod's app. */
  readonly crash: (namespace: string, pod: string) => void
}

/**
 * What a suite does to the lab itself, each a POST that answers when it is done:
 * /istiod/stop, /istiod/start?debounceMs=100, /prometheus/stop, /prometheus/start, /pods/NAMESPACE/NAME/crash.
 */
export function serveSwitches(port: number, switches: Switches): http.Server {
  return http.createServer((request, response) => {
    request.resume()
    void turn(new URL(request.url ?? '/', 'http://lab'), switches).then(
      () => response.end('done\n'),
      (thrown: unknown) => response.writeHead(500).end(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`),
    )
  }).listen(port, CONTROL_PLANE)
}

async function turn({ pathname, searchParams }: URL, switches: Switches): Promise<void> {
  const [what = '', ...rest] = pathname.slice(1).split('/')
  const debounceMs = searchParams.get('debounceMs')
  if (what === 'pods' && rest[2] === 'crash') return switches.crash(rest[0] ?? '', rest[1] ?? '')
  if ((what === 'istiod' || what === 'prometheus') && rest[0] === 'stop') return switches.stop(what, searchParams.get('signal') === 'SIGTERM' ? 'SIGTERM' : 'SIGKILL')
  if ((what === 'istiod' || what === 'prometheus') && rest[0] === 'start') return switches.start(what, debounceMs === null ? {} : { debounceMs: Number(debounceMs) })
  throw new Error(`no switch ${pathname}`)
}
