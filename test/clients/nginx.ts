import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { start } from './program.ts'

/** nginx that serves a folder of files and knows nothing else; returns its URL. */
export async function startNginx(folder: string, docroot: string): Promise<string> {
  const home = join(folder, 'nginx')
  mkdirSync(home)
  const port = await freePort()
  await runNginx(home, `access_log off; server { listen 127.0.0.1:${port}; root ${docroot}; }`)
  return `http://127.0.0.1:${port}`
}

/** Starts nginx with whatever its `http` block is to have; `home` is a folder of its own. Returns what it prints, so far. */
export async function runNginx(home: string, http: string): Promise<string[]> {
  const configuration = join(home, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
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
  ${temporary.map((name) => `${name}_temp_path ${home}/${name};`).join('\n  ')}
  ${http}
}
`,
  )
  const lines: string[] = []
  await start('/usr/sbin/nginx', ['-e', 'stderr', '-p', home, '-c', configuration], (line) => {
    lines.push(line)
    return line.includes('start worker processes') ? true : undefined
  })
  return lines
}
