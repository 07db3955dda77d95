import { createHmac, type X509Certificate } from 'node:crypto'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { SecureContextOptions, TLSSocket } from 'node:tls'

/** The certificates that clients have shown, as long as the CAs are those by which they were checked. */
export interface ShownCertificates {
  watch(server: Server): void
  /** A certificate by one of the CAs, or why there is none; null: none was shown. */
  of(socket: Socket): X509Certificate | string | null
  /** The CAs are others now: who had a certificate checked by the earlier ones must connect again. */
  forget(): void
}

export function shownCertificates(): ShownCertificates {
  let checked = new WeakMap<Socket, X509Certificate>()
  /** Connections in a handshake, by the other end: Node makes another socket of each. */
  const shaking = new Map<string, Socket>()
  const endOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`

  return {
    watch(server) {
      server.on('connection', (socket: Socket) => {
        const end = endOf(socket)
        shaking.set(end, socket)
        socket.once('close', () => shaking.get(end) === socket && shaking.delete(end))
      })
      server.on('secureConnection', (socket: TLSSocket) => {
        shaking.delete(endOf(socket))
        // Kept as it was checked: TLS 1.2 lets a client shake hands again, with another one that nobody looks at.
        const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
        if (certificate) checked.set(socket, certificate)
      })
    },
    of(socket) {
      const certificate = checked.get(socket)
      if (certificate) return certificate
      const { authorized, authorizationError, getPeerX509Certificate } = socket as TLSSocket
      if (!getPeerX509Certificate?.call(socket)) return null
      return authorized ? 'the CAs have changed: connect again' : String(authorizationError)
    },
    forget() {
      checked = new WeakMap()
      for (const socket of shaking.values()) socket.destroy()
    },
  }
}

/**
 * Keys for TLS sessions to be resumed with, for the CAs that clients are checked by. A resumed session brings the
 * certificate that was shown at its beginning, and whether it was good then: Node does not look at it again. So with
 * other CAs there are other keys, the same ones in every process that has the same `base`.
 */
export function ticketKeysFor(base: Buffer, { ca }: SecureContextOptions): Buffer {
  if (ca === undefined) return base
  return createHmac('sha512', base).update([ca].flat().join()).digest().subarray(0, base.length)
}
