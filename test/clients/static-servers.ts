import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { accessLog, linesOf } from './access-log.ts'
import { runNginx } from './nginx.ts'
import { start } from './program.ts'

/** A web server that serves a folder and lists what is in it, as its package has it and its manual says. */
export interface StaticServer {
  url: string
  /** What was asked for since the call before. */
  asked(): Promise<Asked[]>
}

export interface Asked {
  path: string
  status: number
}

/** By the name of the program, for the folders of this test. */
export const staticServers: Record<string, (folder: string, docroot: string) => Promise<StaticServer>> = {
  async nginx(folder, docroot) {
    const { home, port, log } = await newHome(folder, 'static-nginx')
    await runNginx(
      home,
      `log_format asked '$status $request_uri';
  access_log ${log} asked;
  server {
    listen 127.0.0.1:${port};
    root ${docroot};
    autoindex on;
  }`,
    )
    const url = `http://127.0.0.1:${port}`
    return { url, asked: accessLog(url, () => linesOf(log), readPlain) }
  },

  async caddy(folder, docroot) {
    const { home, port, log } = await newHome(folder, 'static-caddy')
    writeFileSync(
      join(home, 'Caddyfile'),
      `{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  root * ${docroot}
  file_server browse
  log {
    output file ${log}
  }
}
`,
    )
    const started = (line: string) => (line.includes('serving initial configuration') ? true : undefined)
    const env = { HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home }
    await start('caddy', ['run', '--config', join(home, 'Caddyfile'), '--adapter', 'caddyfile'], started, {
      env,
    })
    const read = (line: string) => {
      const { request, status } = JSON.parse(line)
      return { path: request.uri as string, status: status as number }
    }
    const url = `http://127.0.0.1:${port}`
    return { url, asked: accessLog(url, () => linesOf(log), read) }
  },

  async apache(folder, docroot) {
    const { home, port, log } = await newHome(folder, 'static-apache')
    const modules = ['mpm_event', 'authz_core', 'autoindex', 'dir', 'mime']
    writeFileSync(join(home, 'mime.types'), 'text/html html\n')
    writeFileSync(
      join(home, 'apache.conf'),
      `${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
ServerName localhost
ServerRoot ${home}
Listen 127.0.0.1:${port}
PidFile ${home}/apache.pid
DefaultRuntimeDir ${home}
TypesConfig ${home}/mime.types
ErrorLog ${home}/error.log
LogFormat "%>s %U" asked
CustomLog ${log} asked
DocumentRoot ${docroot}
<Directory ${docroot}>
  Options Indexes FollowSymLinks
  IndexOptions FancyIndexing HTMLTable NameWidth=*
  Require all granted
</Directory>
`,
    )
    const url = `http://127.0.0.1:${port}`
    // Its log of errors is a file, so that nothing tells when it is ready.
    await start(
      '/bin/sh',
      ['-c', apacheScript, 'sh', join(home, 'apache.conf'), join(home, 'apache.pid')],
      ready,
    )
    return { url, asked: accessLog(url, () => linesOf(log), readPlain) }
  },

  async python(_, docroot) {
    const port = await freePort()
    const lines: string[] = []
    const script =
      'import sys; from http.server import *; sys.stderr.reconfigure(line_buffering=True); ' +
      's = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler); ' +
      'print("ready", file=sys.stderr); s.serve_forever()'
    await start(
      'python3',
      ['-c', script, String(port)],
      (line) => {
        lines.push(line)
        return ready(line)
      },
      { cwd: docroot },
    )
    const url = `http://127.0.0.1:${port}`
    const read = (line: string): Asked | [] => {
      const [, path = '', status] = /"GET (\S+) HTTP[^"]*" (\d+)/.exec(line) ?? []
      return status === undefined ? [] : { path, status: Number(status) }
    }
    return { url, asked: accessLog(url, () => lines, read) }
  },
}

/** Why this server is not tested; false where it is. */
export function isMissing(server: string): string | false {
  const file = { apache: '/usr/sbin/apache2', python: '/usr/bin/python3' }[server]
  return file !== undefined && !existsSync(file) && `${file} is not installed`
}

/** It says that it is ready when Apache has written its process number, and ends with it. */
const apacheScript = `apache2 -X -f "$1" & child=$!
trap 'kill $child; wait $child' TERM
while ! [ -s "$2" ]; do kill -0 $child || exit 1; sleep 0.05; done
echo ready
wait $child`

const ready = (line: string) => (line === 'ready' ? true : undefined)

async function newHome(folder: string, name: string) {
  const home = join(folder, name)
  mkdirSync(home)
  return { home, port: await freePort(), log: join(home, 'access.log') }
}

function readPlain(line: string): Asked {
  const [status, path = ''] = line.split(' ')
  return { path, status: Number(status) }
}
