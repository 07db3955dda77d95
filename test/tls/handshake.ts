import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls'
import type { ServerTlsOptions } from '../../src/tls/certificate-files.ts'

/** A real HTTPS server on a port of its own that answers every request with 200 and "ok". */
export async function startServer(options: ServerTlsOptions): Promise<{ server: Server; port: number }> {
  const server = createServer(options, (_request, response) => response.end('ok'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** Opens a connection that trusts `ca` alone and expects the server to be `name`, whatever the address it has here. */
export async function openConnection(port: number, ca: string, name: string): Promise<TLSSocket> {
  const isAddress = /^[0-9.]+$|:/.test(name)
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca: await readFile(ca),
    ...(!isAddress && { servername: name }),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
  })
  await once(socket, 'secureConnect')
  return socket
}

/** The body of one GET on an open connection, which stays open. */
export async function get(socket: TLSSocket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nhost: test\r\n\r\n')
  let answer = ''
  while (!answer.endsWith('ok\r\n0\r\n\r\n') && !answer.endsWith('\r\n\r\nok')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    answer += chunk.toString('latin1')
  }
  return answer.slice(answer.lastIndexOf('ok'), answer.lastIndexOf('ok') + 2)
}
