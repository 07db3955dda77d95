import { once } from 'node:events'
import { connect, createSecureContext, type SecureContext } from 'node:tls'

export interface Answer {
  status: number
  /** Octets as Latin-1. */
  body: string
}

/** A client's connection that costs the client little: one request at a time, and answers that have a length. */
export interface Connection {
  /** Sends the bytes of a request; returns its answer when that is whole. Fails where the connection is closed instead. */
  ask(request: string | Uint8Array): Promise<Answer>
  /** Ends the connection and waits until the other side has too. */
  close(): Promise<void>
}

/** Made once: reading the certificates anew would cost more than the connection. */
export const trusting = (ca: string): SecureContext => createSecureContext({ ca })

/** A new TLS session: Go's clients, podman among them, do not resume any. */
export async function open(port: number, secureContext: SecureContext): Promise<Connection> {
  const socket = connect({ host: '127.0.0.1', port, secureContext, ALPNProtocols: ['http/1.1'] })
  await once(socket, 'secureConnect')
  socket.setNoDelay(true)
  let received = ''
  let answered: { resolve(answer: Answer): void; reject(error: Error): void } | null = null
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    received += chunk
    const end = received.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(received)?.[1])
    if (received.length < end + 4 + length) return
    const answer = { status: Number(received.slice(9, 12)), body: received.slice(end + 4) }
    received = ''
    answered?.resolve(answer)
  })
  socket.on('error', (error) => answered?.reject(error))
  const closed = new Error('The connection was closed')
  socket.on('close', () => answered?.reject(closed))
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(closed)
        answered = { resolve, reject }
        socket.write(request)
      }),
    async close() {
      answered = null
      socket.end()
      await once(socket, 'close')
    },
  }
}

/** Reads signature-1, -2 and the 404 of -3, as podman does. `path` is the directory of a digest. */
export async function readImage(connection: Connection, path: string): Promise<void> {
  for (let slot = 1; slot <= readsOfImage; slot++) await readSlot(connection, path, slot)
}

export const readsOfImage = 3

export async function readSlot(connection: Connection, path: string, slot: number): Promise<void> {
  const head = `GET /signatures/${path}/signature-${slot} HTTP/1.1\r\nHost: 127.0.0.1\r\n`
  const fields = 'User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n'
  expectStatus(await connection.ask(head + fields), slot < readsOfImage ? 200 : 404)
}

/** An upload to the default place, ready to be sent. */
export function uploadOf(blob: Uint8Array, token: string): Buffer {
  const head = `POST /api/v1/signatures HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n`
  return Buffer.concat([Buffer.from(`${head}Content-Length: ${blob.length}\r\n\r\n`), blob])
}

export function expectStatus(answer: Answer | undefined, wanted: number): void {
  if (answer?.status !== wanted) throw new Error(`The server answered ${answer?.status}, not ${wanted}`)
}
