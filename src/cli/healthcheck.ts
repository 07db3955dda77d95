import { request as overHttp } from 'node:http'
import { request as overTls } from 'node:https'

// A program of its own, for container engines: it exits 0 where the server of this container answers.

const port = /:(\d+)$/.exec(process.env.LOOKASIDE_LISTEN ?? '')?.[1] ?? '8443'

/** Whether /healthz says 200. The certificate is not looked at: nothing is sent, and the peer is this machine. */
function answers(request: typeof overTls): Promise<boolean> {
  return new Promise((resolve) => {
    request(
      { host: 'localhost', port, path: '/healthz', timeout: 2000, rejectUnauthorized: false },
      (response) => {
        resolve(response.statusCode === 200)
      },
    )
      .on('timeout', () => resolve(false))
      .on('error', () => resolve(false))
      .end()
  })
}

process.exit((await answers(overTls)) || (await answers(overHttp)) ? 0 : 1)
