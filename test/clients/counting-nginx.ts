import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { accessLog, linesOf } from './access-log.ts'
import { runNginx } from './nginx.ts'

/** What was asked of a server, and answered. */
export interface Exchange {
  method: string
  status: number
  path: string
}

export interface CountingNginx {
  url: string
  /** Those since the call before. */
  exchanges(): Promise<Exchange[]>
}

/** nginx in front of a server, that keeps count of what is asked of it. */
export async function startCountingNginx(folder: string, upstream: string): Promise<CountingNginx> {
  const home = join(folder, 'counting-nginx')
  const log = join(home, 'access.log')
  mkdirSync(home)
  const port = await freePort()
  await runNginx(
    home,
    `log_format exchange '$request_method $status $request_uri';
  access_log ${log} exchange;
  upstream lookaside {
    server ${new URL(upstream).host};
    keepalive 8;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://lookaside;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }`,
  )
  const url = `http://127.0.0.1:${port}`
  const read = (line: string) => {
    const [method = '', status, path = ''] = line.split(' ')
    return { method, status: Number(status), path }
  }
  return { url, exchanges: accessLog(url, () => linesOf(log), read) }
}
