import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { temporaryPaths } from './nginx.ts'
import { start } from './program.ts'

/** What was asked of a server, and answered. */
export interface Exchange {
  method: string
  status: number
  path: string
}

export interface CountingNginx {
  url: string
  /** Those since the call before. */
  exchanges(): Exchange[]
}

/** nginx in front of a server, that keeps count of what is asked of it. */
export async function startCountingNginx(folder: string, upstream: string): Promise<CountingNginx> {
  const home = join(folder, 'counting-nginx')
  const log = join(home, 'access.log')
  mkdirSync(home)
  const port = await freePort()
  const configuration = join(home, 'nginx.conf')
  writeFileSync(
    configuration,
    `user root;
daemon off;
worker_processes 1;
pid ${home}/nginx.pid;
error_log stderr notice;
events {}
http {
  log_format exchange '$request_method $status $request_uri';
  access_log ${log} exchange;
  ${temporaryPaths(home)}
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
  }
}
`,
  )
  const started = (line: string) => (line.includes('start worker processes') ? true : undefined)
  await start('/usr/sbin/nginx', ['-e', 'stderr', '-p', home, '-c', configuration], started)
  let seen = 0
  return {
    url: `http://127.0.0.1:${port}`,
    exchanges() {
      const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
      const since = lines.slice(seen)
      seen = lines.length
      return since.map((line) => {
        const [method = '', status, path = ''] = line.split(' ')
        return { method, status: Number(status), path }
      })
    },
  }
}
