import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** Something that listens on 127.0.0.1. */
export type Listener = {
  readonly port: number
  /** Ends abruptly: open connections are cut. */
  readonly close: () => Promise<void>
}

/** Serves on a loopback port, any free one by default; cuts the connection where `answer` rejects; rejects where it is taken. */
export async function listenOnLoopback(
  answer: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>,
  port = 0,
): Promise<Listener> {
  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch(() => incoming.socket.destroy())
  })
  // A server that closes an idle connection while the peer sends on it looks like a pod that died.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const address = server.address()
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { port: typeof address === 'object' && address !== null ? address.port : port, close }
}

/** The text of a message's body; by events: an async iterator costs a third of a proxy's time. */
export const readBody = (incoming: IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    let body = ''
    incoming.setEncoding('utf8')
    incoming.on('data', (chunk: string) => (body += chunk))
    incoming.once('end', () => (incoming.complete ? resolve(body) : reject(new Error('the message was cut short'))))
    incoming.once('error', reject)
  })
