import { defaultSettings } from '../../src/config.ts'
import { loadClusterAccess } from '../../src/kubernetes/kubeconfig.ts'
import { nodeTransport } from '../../src/kubernetes/transport.ts'
import { createOperator } from '../../src/operator.ts'
import { createLog } from '../../src/runtime/log.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Sample } from './operator-handle.ts'

const [kubernetes = '', prometheusUrl = ''] = process.argv.slice(2)
const clock = systemClock
const access = kubernetes.startsWith('http:') ? { baseUrl: kubernetes } : await loadClusterAccess({ path: kubernetes })
const operator = createOperator({
  kubernetes: nodeTransport({ ...access, clock }),
  prometheus: nodeTransport({ baseUrl: prometheusUrl, clock }),
  clock,
  random: Math.random,
  log: createLog({ level: 'error' }),
  settings: defaultSettings('serin-bench'),
})

const MIB = 1024 * 1024
let mostRssBytes = 0

async function sample(): Promise<Sample> {
  const { user, system } = process.cpuUsage()
  const metrics = await operator.metrics.registry.getMetricsAsJSON()
  const late = metrics.find(({ name }) => name === 'serin_check_tick_late_seconds')?.values ?? []
  const ticks = late.flatMap(({ labels, value }) => ('le' in labels ? [[String(labels.le), value] as const] : []))
  const reconciles = metrics.find(({ name }) => name === 'serin_reconciles_total')?.values ?? []
  return { reconciles: reconciles.reduce((sum, { value }) => sum + value, 0), cpuMs: (user + system) / 1000, busyMs: performance.eventLoopUtilization().active, mostRssMib: mostRssBytes / MIB, ticks: Object.fromEntries(ticks) }
}

process.on('message', () => void sample().then((taken) => process.send?.(taken)))
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort(new Error('SIGTERM')))
process.once('disconnect', () => stop.abort(new Error('the bench is gone')))
void operator.synced.then(() => process.send?.('synced'))
void watchMemory()
await operator.run(stop.signal)
process.exit()

async function watchMemory(): Promise<void> {
  for (;;) {
    mostRssBytes = Math.max(mostRssBytes, process.memoryUsage.rss())
    await clock.sleep(200)
  }
}
