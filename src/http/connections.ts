import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, type ServerOptions as TlsServerOptions } from 'node:https'
import type { Socket } from 'node:net'
import { problem, problemType } from './problem.ts'

/** A client that shakes hands or sends headers slower than this is cut off. */
const headersMilliseconds = 10_000

/** A client that takes nothing of its answer for this long is cut off. */
const stuckMilliseconds = 60_000

/** How many requests a client may send ahead of their answers; clients of registries send none. */
const maxPipelined = 64

/** What is refused is told; how long a client has to take it in. */
const lastWordMilliseconds = 1000

/** Longer than the idle timeout of the usual proxies (60 s), so that they are the ones who close. */
const keepAliveMilliseconds = 72_000

/** The server below the framework: HTTP/1.1, with TLS where there is a certificate, and what it puts up with. */
export function rawServer(
  { tls, stallSeconds }: { tls: TlsServerOptions | null; stallSeconds: number },
  listener: RequestListener,
): Server {
  const firstWordMilliseconds = Math.min(headersMilliseconds, stallSeconds * 1000)
  const limits: ServerOptions = {
    headersTimeout: firstWordMilliseconds,
    // From the first byte of a request to the last of its body: a body that stalls is answered 408 and cut off.
    requestTimeout: stallSeconds * 1000,
    connectionsCheckingInterval: Math.min(5000, stallSeconds * 250),
    keepAliveTimeout: keepAliveMilliseconds,
  }
  const server = tls
    ? createTlsServer({ ...limits, handshakeTimeout: firstWordMilliseconds, ...tls }, listener)
    : createServer(limits, listener)
  server.timeout = stuckMilliseconds
  return server
}

const pipelined = new WeakMap<Socket, number>()

/** Whether a client sends requests without end ahead of their answers, which would wait in memory; it is cut off. */
export function isFlood({ socket }: IncomingMessage, response: ServerResponse): boolean {
  // An answer without a socket waits for the one before it.
  if (response.socket) return false
  const waiting = (pipelined.get(socket) ?? 0) + 1
  pipelined.set(socket, waiting)
  response.once('close', () => pipelined.set(socket, (pipelined.get(socket) ?? 1) - 1))
  if (waiting <= maxPipelined) return false
  socket.destroy()
  return true
}

/** What is not HTTP, or came too slowly, gets a last word in the form of every other refusal. */
export function refuseGarbage(error: Error & { code?: string }, socket: Socket): void {
  // Nothing can be said to whom no TLS connection was made.
  const unheard =
    error.code === 'ECONNRESET' || error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT' || !socket.writable
  if (unheard) return void socket.destroy()
  const { status, title, ...rest } =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? problem('body-timeout', 'The request took too long to arrive')
      : problem('bad-request', 'This is not a request that can be read')
  const body = JSON.stringify({ ...rest, status, title })
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: ${problemType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  )
  setTimeout(() => socket.destroy(), lastWordMilliseconds).unref()
}
