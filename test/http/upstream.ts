import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { after } from 'node:test'
import { type TestServer, testServer } from '../server.ts'

/** What a server in place of a registry answers. */
export type Answering = (request: IncomingMessage, response: ServerResponse) => unknown

export interface Upstream {
  origin: string
  /** What has arrived, in order. */
  seen: Pick<IncomingMessage, 'method' | 'url' | 'headers'>[]
  /** The connections that are open. */
  sockets: Set<Socket>
  /** Cuts all connections and listens no more. */
  stop(): Promise<void>
}

/** A server in place of a registry, which answers as the test wants; it ends with the tests of the file. */
export async function startUpstream(
  answering: Answering,
  tls: { cert: string | Buffer; key: string | Buffer } | null = null,
): Promise<Upstream> {
  const seen: Upstream['seen'] = []
  const sockets = new Set<Socket>()
  const listener: RequestListener = (request, response) => {
    const { method, url, headers } = request
    seen.push({ method, url, headers })
    answering(request, response)
  }
  const server: Server = tls ? createTlsServer(tls, listener) : createServer(listener)
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  let stopped: Promise<void> | undefined
  const stop = () =>
    (stopped ??= new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    }))
  after(stop)
  const { port } = server.address() as AddressInfo
  return { origin: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, seen, sockets, stop }
}

/** A server with that in place of a registry behind it. */
export async function testFront(
  answering: Answering,
  options: { anonymous?: boolean } = {},
): Promise<TestServer & { upstream: Upstream }> {
  let greeted = () => {}
  const greeting = new Promise<void>((resolve) => (greeted = resolve))
  let isGreeting = true
  const upstream = await startUpstream((request, response) => {
    if (!isGreeting) return answering(request, response)
    // A server that starts asks once what credentials its registry wants.
    isGreeting = false
    upstream.seen.length = 0
    response.writeHead(200, { connection: 'close' }).once('close', greeted).end()
  })
  const { anonymous = false } = options
  const server = await testServer({ registry: { upstream: upstream.origin, delegate: false, anonymous } })
  await greeting
  return { ...server, upstream }
}

/** An answer exactly as written, and the end of the connection. */
export function answerRaw({ socket }: IncomingMessage, text: string): void {
  socket.end(text.replaceAll('\n', '\r\n'))
}
