import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '../free-port.ts'
import { tied } from './tied.ts'

/** A server of the tree over TLS, running. */
export interface WebServer {
  name: string
  port: number
  pid: number
  stop(): Promise<unknown>
}

export const entry = join(import.meta.dirname, '../../src/lookaside.js')

export interface LookasideOptions {
  /** As `serve --workers` has it. */
  workers: string
  /** A policy.json that uploads must meet; absent: they need only be well-formed. */
  policy?: string
  /** False: no files are written to the tree. */
  tree?: boolean
}

/** Lookaside as it comes; its certificate is of its private CA. Its log is thrown away. */
export async function startLookaside(
  dataFolder: string,
  { workers, policy, tree = true }: LookasideOptions,
): Promise<WebServer> {
  const port = await freePort()
  const flags = ['--data', dataFolder, '--listen', `127.0.0.1:${port}`, '--workers', workers]
  if (policy) flags.push('--policy', policy)
  const child = spawn(process.execPath, [entry, 'serve', ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LOOKASIDE_TREE_ENABLED: String(tree) },
  })
  return started('lookaside', port, child)
}

export interface Served {
  /** The folder that is /signatures/. */
  tree: string
  cert: string
  key: string
  /** Where the server may put its own files. */
  scratch: string
}

export async function startNginx(
  program: string,
  { tree, cert, key, scratch }: Served,
  { openFileCache }: { openFileCache: boolean },
): Promise<WebServer> {
  const files = openFileCache ? mostFilesToCache() : 0
  const name = files ? `nginx, open_file_cache ${files}` : 'nginx'
  const port = await freePort()
  const folder = join(scratch, name.replaceAll(/\W+/g, '-'))
  mkdirSync(folder)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const config = `
daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 2;
${files ? `worker_rlimit_nofile ${files + filesForConnections};` : ''}
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  # The default, 1000, would have it shake hands anew again and again, unlike the others.
  keepalive_requests 100000000;
  ${files ? `open_file_cache max=${files} inactive=1h; open_file_cache_valid 1h; open_file_cache_errors on;` : ''}
  ${temporary.map((use) => `${use}_temp_path ${folder}/${use};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location /signatures/ { alias ${tree}/; }
  }
}
`
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, config)
  return started(name, port, spawn(program, ['-e', `${folder}/error.log`, '-p', folder, '-c', file]))
}

/** What nginx needs open beside the files of its cache. */
const filesForConnections = 2000

/** As many as are of use here, or as a process may keep open; where /proc does not tell, what most systems allow. */
function mostFilesToCache(): number {
  const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : ''
  const hard = Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? 10_000)
  return Math.min(hard - filesForConnections, 100_000)
}

export async function startCaddy(program: string, { tree, cert, key, scratch }: Served): Promise<WebServer> {
  const port = await freePort()
  const folder = join(scratch, 'caddy')
  mkdirSync(folder)
  const config = `
{
  admin off
  auto_https off
  servers {
    protocols h1 h2
  }
}
https://127.0.0.1:${port} {
  bind 127.0.0.1
  tls ${cert} ${key}
  handle_path /signatures/* {
    root * ${tree}
    file_server
  }
}
`
  const file = join(folder, 'Caddyfile')
  writeFileSync(file, config)
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  return started('Caddy', port, spawn(program, ['run', '--adapter', 'caddyfile', '--config', file], { env }))
}

export async function startNode({ tree, cert, key }: Served): Promise<WebServer> {
  const port = await freePort()
  const program = join(import.meta.dirname, 'node-server.ts')
  const child = spawn(process.execPath, [program, String(port), tree, cert, key])
  return started('node:https, from a Map', port, child)
}

async function started(name: string, port: number, child: ChildProcess): Promise<WebServer> {
  tied(child)
  let errors = ''
  child.stderr?.on('data', (chunk) => {
    errors += chunk
  })
  const ended = once(child, 'exit')
  while (!(await answers(port))) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${name} ended before it listened: ${errors}`)
    await wait(5)
  }
  const stop = () => {
    child.kill('SIGTERM')
    return ended
  }
  return { name, port, pid: child.pid as number, stop }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
