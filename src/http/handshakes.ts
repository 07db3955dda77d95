import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import { inTurns } from '../turns.ts'

/**
 * Has TLS connections made in turns, in the order in which clients began to speak. A handshake is a millisecond of work:
 * beside fifty that come at once, who reads over a connection that is there waits for one.
 * @param silentMilliseconds how long a client may say nothing before it is cut off; the handshake has a time of its own
 */
export function handshakesInTurns(server: Server, silentMilliseconds: number): Server {
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
        // Who has gone since is not shaken hands with. Node has closed those alone that it has nothing to read from.
        if (hasEnded(socket)) socket.destroy()
        else begin.call(server, socket)
      })
    })
  })
  return server
}

/** Whether the last that a client sends is here; Node tells of it only when all before was read. */
function hasEnded(socket: Socket): boolean {
  const { _readableState } = socket as Socket & { _readableState: { ended: boolean } }
  return socket.destroyed || _readableState.ended
}
