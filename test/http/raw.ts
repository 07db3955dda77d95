import { once } from 'node:events'
import type { RequestListener, Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type RawServerOptions, rawServer, refuseGarbage } from '../../src/http/connections.ts'

const limits = { tls: null, stallSeconds: 60, isPatient: () => false }

export async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** So many connections that the server has all taken: Node takes one in each turn. */
export async function openAll(server: Server, count: number): Promise<Socket[]> {
  const { port } = server.address() as AddressInfo
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const [socket] = await Promise.all([open(port), once(server, 'connection')])
    sockets.push(socket)
  }
  return sockets
}

/** Keeps the event loop from anything else. */
export function takeTime(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
}

/** Everything that comes until the connection is closed. */
export async function receive(socket: Socket): Promise<string> {
  let received = ''
  try {
    for await (const chunk of socket.setEncoding('latin1')) received += chunk
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
  }
  return received
}

/** A server without more than what is below the framework, and its port. */
export async function listening(
  t: TestContext,
  inTurn: RequestListener,
  options: Partial<RawServerOptions> = {},
): Promise<{ server: Server; port: number }> {
  const server = rawServer({ ...limits, atOnce: () => false, inTurn, ...options })
  server.on('clientError', (error, socket) => refuseGarbage(error, socket as Socket))
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}
