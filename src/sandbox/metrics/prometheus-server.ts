import { listen, type Listener } from '../proxy.ts'
import type { PrometheusApi } from './prometheus-api.ts'

const headers = { 'content-type': 'application/json' }

/** The API on a loopback port, any free one by default; while it is "down" connections are cut. */
export const listenPrometheus = (api: PrometheusApi, port = 0): Promise<Listener> =>
  listen(async (request) => ({ ...(await api.answer(request)), headers }), port)
