import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'

export interface AnsweringServer {
  port: number
  url: string
  /** How many connections it has taken. */
  connections(): number
  close(): Promise<void>
}

/** A server that answers as the listener says, on 127.0.0.1; it ends with the tests of the file. */
export async function answering(
  listener: RequestListener,
  { tls, port = 0 }: { tls?: { cert: string; key: string }; port?: number } = {},
): Promise<AnsweringServer> {
  const server = tls ? createTlsServer(tls, listener) : createServer(listener)
  let connections = 0
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  after(close)
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${bound}`,
    connections: () => connections,
    close,
  }
}
