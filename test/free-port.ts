import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below those that Linux gives to whoever asks for any (ip_local_port_range): nobody else gets one of these by chance. */
const [lowest, highest] = [20_000, 32_000]

/** For programs that cannot choose a port themselves and tell which. */
export async function freePort(): Promise<number> {
  for (;;) {
    const wanted = lowest + Math.floor(Math.random() * (highest - lowest))
    const server = createServer().listen(wanted, '127.0.0.1')
    try {
      await once(server, 'listening')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      continue
    }
    server.close()
    await once(server, 'close')
    return wanted
  }
}
