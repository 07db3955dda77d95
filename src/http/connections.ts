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
import { inTurns } from '../turns.ts'
import { answerOn, closesBehindAnswers } from './ending.ts'
import { handshakesInTurns } from './handshakes.ts'
import { problem, problemType } from './problem.ts'

/** A client that shakes hands or sends headers slower than this is cut off. */
const headersMilliseconds = 10_000

/** A client that takes nothing of its answer for this long is cut off. */
const stuckMilliseconds = 60_000

/** The same while a registry works at all that was sent. */
const patientMilliseconds = 15 * 60_000

/** How many requests a client may send ahead of their answers: lftp sends a hundred, clients of registries none. */
const maxPipelined = 256

/** What is refused is told; how long a client has to take it in. */
const lastWordMilliseconds = 1000

/** Bytes of a body that is read as it comes: of one TLS record, which nearly all signatures fit into. */
const shortBody = 16 * 1024

/** Longer than the idle timeout of the usual proxies (60 s), so that they are the ones who close. */
export const keepAliveMilliseconds = 72_000

export interface RawServerOptions {
  tls: TlsServerOptions | null
  /** How long a body may take to arrive. */
  stallSeconds: number
  /** Which requests may take any time, as long as something moves: layers of images have no bound. */
  isPatient(request: IncomingMessage): boolean
  /** Answers a request, or turns it away, where it can do so at once; says whether it did. */
  atOnce(request: IncomingMessage, response: ServerResponse): boolean
  /** Answers all others, in turns: who reads waits for one, and not for fifty. */
  inTurn: RequestListener
}

/** The server below the framework: HTTP/1.1, with TLS where there is a certificate, and what it puts up with. */
export function rawServer({ tls, stallSeconds, isPatient, atOnce, inTurn }: RawServerOptions): Server {
  const firstWordMilliseconds = Math.min(headersMilliseconds, stallSeconds * 1000)
  const limits: ServerOptions = {
    headersTimeout: firstWordMilliseconds,
    // Bodies have a time of their own, `limitBody`.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(5000, stallSeconds * 250),
    keepAliveTimeout: keepAliveMilliseconds,
  }
  const begin = inTurns(1)
  const whenItsTurn: RequestListener = (request, response) => {
    const { socket } = request
    // All that has come of a body is read at once, which is work too.
    const isLong = mayBeLong(request)
    if (isLong) socket.pause()
    const job = () => {
      if (!socket.writable) return
      if (isLong) socket.resume()
      if (hasBody(request)) expectBody(request, response)
      inTurn(request, response)
    }
    // One request of a connection waits at a time: who sends many ahead does not stand before everybody else with each.
    if (response.socket) begin(job)
    else response.once('socket', () => begin(job))
  }
  const expectBody: RequestListener = (request, response) => {
    const { socket } = request
    unread.set(socket, response)
    const limit = () => limitBody(request, socket, stallSeconds * 1000)
    if (isPatient(request)) waitLonger(request, response, limit)
    else limit()
  }
  const answer: RequestListener = (request, response) => {
    // The server ends: see `closesBehindAnswers`.
    if (!server.listening) response.shouldKeepAlive = false
    // Node has stopped reading, as too much waits to be sent. What its parser still got it would take for garbage.
    if (request.socket.isPaused()) readForParser(request.socket)
    if (!atOnce(request, response)) whenItsTurn(request, response)
    else if (hasBody(request)) expectBody(request, response)
  }
  const server: Server = tls
    ? handshakesInTurns(
        createTlsServer({ ...limits, handshakeTimeout: firstWordMilliseconds, ...tls }, answer),
        firstWordMilliseconds,
      )
    : createServer(limits, answer)
  server.timeout = stuckMilliseconds
  return closesBehindAnswers(server, tls ? 'secureConnection' : 'connection')
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

/** Whether a body can be more than the little that comes with the headers. */
function mayBeLong({ headers }: IncomingMessage): boolean {
  return Number(headers['content-length']) > shortBody || headers['transfer-encoding'] !== undefined
}

/** A body that has not come to its end by then is answered 408 and cut off. */
function limitBody(request: IncomingMessage, socket: Socket, milliseconds: number): void {
  const late = () => {
    // What has come and waits to be read has come in time.
    if (!request.complete) refuseGarbage(Object.assign(new Error(), { code: bodyTimeout }), socket)
  }
  const timer = setTimeout(late, milliseconds).unref()
  for (const event of ['end', 'close']) request.once(event, () => clearTimeout(timer))
}

/**
 * A registry looks at all of a layer before it answers, and the client has nothing to say meanwhile.
 * @param answered what to do about a body that goes on behind its answer: nobody waits for that
 */
function waitLonger(request: IncomingMessage, response: ServerResponse, answered: () => void): void {
  const { socket } = request
  const wait = () => {
    if (!response.writableEnded) socket.setTimeout(patientMilliseconds)
  }
  if (request.headers['content-length'] === '0') wait()
  else request.once('end', wait)
  // Before Node gives the connection the time that idle ones have.
  response.prependOnceListener('finish', () => {
    socket.setTimeout(stuckMilliseconds)
    if (!request.complete) answered()
  })
}

/** What becomes of a request whose body does not arrive. */
const bodyTimeout = 'ERR_HTTP_REQUEST_TIMEOUT'

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

/** Connections that Node's parser does not read from itself any more. */
const readFor = new WeakSet<Socket>()

/**
 * Has Node read from a connection, and not its parser, which is faster and does so until somebody listens: what comes over TLS
 * it is given even while it is paused (HPE_PAUSED). Node forgets to go on reading then where it had stopped for a body.
 */
function readForParser(socket: Socket): void {
  if (readFor.has(socket)) return
  readFor.add(socket)
  socket.on('data', () => {})
  socket._read(0)
}

/** The answer to the request with a body that a connection had last. */
const unread = new WeakMap<Socket, ServerResponse>()

/** Connections that have had their last word, or will when what they are owed is sent. */
const refused = new WeakSet<Socket>()

/**
 * What is not HTTP, or came too slowly, gets a last word in the form of every other refusal. It comes behind the answers to all
 * that was asked before, is in none of them, and no second answer to a request whose body goes wrong after the first: whoever
 * shares a connection among several would take it for that of somebody else.
 */
export function refuseGarbage(error: Error & { code?: string }, socket: Socket): void {
  // Nothing can be said to whom no TLS connection was made.
  const unheard =
    error.code === 'ECONNRESET' || error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT' || !socket.writable
  if (unheard) return void socket.destroy()
  if (refused.has(socket)) return
  refused.add(socket)
  stopReading(socket)
  behindAnswers(socket, () => {
    const response = unread.get(socket)
    const isAnswered = response?.headersSent && !response.req.complete
    endWith(socket, isAnswered ? '' : lastWord(error))
  })
}

/**
 * What still comes is taken, so that the client gets to its answer, and is given to nobody: Node's parser would make an error
 * of each piece.
 */
function stopReading(socket: Socket): void {
  const readers = socket.listeners('data') as ((data: Buffer) => void)[]
  readForParser(socket)
  socket.on('data', () => {})
  for (const reader of readers) socket.off('data', reader)
}

/** Calls back when all requests that came whole are answered; the one that is still coming is not waited for. */
function behindAnswers(socket: Socket, then: () => void): void {
  const current = answerOn(socket)
  const isWhole = current?.req.complete || current?.headersSent
  if (current && isWhole) current.once('close', () => setImmediate(() => behindAnswers(socket, then)))
  else then()
}

function lastWord({ code }: { code?: string }): string {
  const { status, title, ...rest } =
    code === bodyTimeout
      ? problem('body-timeout', 'The request took too long to arrive')
      : problem('bad-request', 'This is not a request that can be read')
  const body = JSON.stringify({ ...rest, status, title })
  return (
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: ${problemType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
    `Connection: close\r\n\r\n${body}`
  )
}

function endWith(socket: Socket, word: string): void {
  if (socket.destroyed) return
  socket.end(word)
  setTimeout(() => socket.destroy(), lastWordMilliseconds).unref()
}
