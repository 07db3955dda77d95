import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { start } from './program.ts'

/** nginx that serves a folder of files and knows nothing else; returns its URL. */
export async function startNginx(folder: string, docroot: string): Promise<string> {
  const home = join(folder, 'nginx')
  mkdirSync(home)
  const port = await freePort()
  const configuration = join(home, 'nginx.conf')
  // Its workers read what this user may read; for others the first line has no effect.
  writeFileSync(
    configuration,
    `user root;
daemon off;
worker_processes 1;
pid ${home}/nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
  ${temporaryPaths(home)}
  server {
    listen 127.0.0.1:${port};
    root ${docroot};
  }
}
`,
  )
  const started = (line: string) => (line.includes('start worker processes') ? true : undefined)
  await start('/usr/sbin/nginx', ['-e', 'stderr', '-p', home, '-c', configuration], started)
  return `http://127.0.0.1:${port}`
}

/** Where it may put what it has no memory for, as lines of its configuration. */
export function temporaryPaths(home: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${home}/${name};`)
    .join('\n  ')
}
