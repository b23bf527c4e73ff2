import { readConfig, usage, type Config } from './config.ts'
import { loadClusterAccess } from './kubernetes/kubeconfig.ts'
import { nodeTransport } from './kubernetes/transport.ts'
import { createOperator, leaveForGood } from './operator.ts'
import { asError } from './runtime/failure.ts'
import { createLog, type Log } from './runtime/log.ts'
import { systemClock } from './runtime/system-clock.ts'

/** Ends the process at once when somebody asks twice, or when a promise is lost: a silent dead loop is worse than a restart. */
function endOnSignals(log: Log): AbortSignal {
  const stop = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const)
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(130)
      log.info({ signal: name }, 'stopping')
      stop.abort(new Error(name))
    })
  const die = (thrown: unknown) => {
    log.fatal({ err: asError(thrown) }, 'a failure that nobody caught')
    process.exit(1)
  }
  process.on('unhandledRejection', die)
  process.on('uncaughtException', die)
  return stop.signal
}

async function run({ operator: settings, prometheusUrl, kubeconfig, context, uninstall: leave }: Config, log: Log): Promise<void> {
  const clock = systemClock
  // First: to a process of number 1 a signal without a handler means nothing.
  const stop = endOnSignals(log)
  const access = await loadClusterAccess({ ...(kubeconfig === undefined ? {} : { path: kubeconfig }), ...(context === undefined ? {} : { context }) })
  const kubernetes = nodeTransport({ ...access, clock })
  if (leave !== undefined) return leaveForGood({ kubernetes, clock, random: Math.random, log, settings }, leave, stop)
  const operator = createOperator({
    kubernetes,
    prometheus: nodeTransport({ baseUrl: prometheusUrl, clock }),
    clock,
    random: Math.random,
    log,
    settings,
  })
  await operator.run(stop)
}

try {
  const config = readConfig(process.argv.slice(2), process.env)
  if (config === 'help') process.stdout.write(usage())
  else await run(config, createLog({ level: config.logLevel }))
} catch (thrown) {
  process.stderr.write(`serin: ${asError(thrown).message}\n`)
  // Not when all is done by itself: where others lead, nothing that is still under way may go on.
  process.exit(1)
}
