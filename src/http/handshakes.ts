import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import { inTurns } from '../turns.ts'

/**
 * Has TLS connections made one in each turn of the event loop, in the order in which clients began to speak. A handshake
 * is a millisecond of work: beside fifty that come at once, who reads over a connection that is there waits for one.
 * @param silentMilliseconds how long a client may say nothing before it is cut off; the handshake has a time of its own
 */
export function oneHandshakeATurn(server: Server, silentMilliseconds: number): Server {
  const [begin] = server.listeners('connection') as [(socket: Socket) => void]
  const inTurn = inTurns(1)
  server.off('connection', begin).on('connection', (socket: Socket) => {
    // Nobody is told of whom no TLS connection was made; without a listener an error would end the process.
    socket.on('error', () => {})
    const cutOff = () => socket.destroy()
    socket.setTimeout(silentMilliseconds, cutOff)
    socket.once('readable', () => {
      socket.off('timeout', cutOff).setTimeout(0)
      inTurn(() => {
        // Node has closed those that ended without a word.
        if (!socket.destroyed) begin.call(server, socket)
      })
    })
  })
  return server
}
