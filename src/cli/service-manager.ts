import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Logger } from 'pino'

/**
 * Tells systemd, where it started this, that requests are answered from now on (sd_notify(3), `Type=notify`). Node has no
 * datagram sockets of the Unix kind; systemd-notify(1) is wherever systemd is.
 */
export async function tellServiceManager(env: NodeJS.ProcessEnv, log: Logger): Promise<void> {
  if (env.NOTIFY_SOCKET === undefined) return
  try {
    await promisify(execFile)('systemd-notify', ['--ready'], { env, timeout: 10_000 })
  } catch (err) {
    log.warn({ err }, 'systemd cannot be told that the server is ready')
  }
}
