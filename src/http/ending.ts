import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The answer that a connection is at, by the same property that Node itself looks at. */
export function answerOn(socket: Socket): ServerResponse | null {
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? null
}

/** Who has had an answer may have the next request on its way for so long. */
const idleMilliseconds = 100

/**
 * Has `closeIdleConnections`, called again and again while a server ends, close each connection behind its answer, and say
 * so in it. Node's own takes an answer for sent when all of it was handed over, and cuts off in the middle whoever is slow
 * to take it in.
 * @param made the event with which the server gives a connection that requests come over
 */
export function closesBehindAnswers(server: Server, made: 'connection' | 'secureConnection'): Server {
  const open = new Set<Socket>()
  server.on(made, (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  /** What had come over those that were seen idle, and when. */
  const idle = new WeakMap<Socket, { bytesRead: number; since: number }>()
  server.closeIdleConnections = () => {
    const now = performance.now()
    for (const socket of open) {
      const answer = answerOn(socket)
      if (answer && !answer.headersSent) answer.shouldKeepAlive = false
      if (answer || !isIdle(socket)) continue
      const seen = idle.get(socket)
      if (seen?.bytesRead !== socket.bytesRead) idle.set(socket, { bytesRead: socket.bytesRead, since: now })
      else if (now - seen.since > idleMilliseconds)
        afterPoll(() => {
          if (socket.bytesRead === seen.bytesRead && !answerOn(socket)) socket.destroy()
        })
    }
  }
  return server
}

/**
 * Calls when the event loop has looked once more at what has come. On a busy machine a thread may stand still for longer
 * than any time it gives to others, and timers that are due then come first.
 */
function afterPoll(call: () => void): void {
  // One that is set while the loop polls comes before it polls again.
  setImmediate(() => setImmediate(call))
}

/** Not one that had no request yet, or one that ends: its last answer may still be on its way. */
function isIdle({ bytesWritten, writable }: Socket): boolean {
  return bytesWritten > 0 && writable
}
