import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { type Lookaside, startLookaside } from './lookaside.ts'
import { runNginx } from './nginx.ts'
import { start } from './program.ts'
import { newCertificate, type Registry } from './registry.ts'

/** A reverse proxy with its configuration of `config/`, as it is there but for addresses and files. */
export interface FrontProxy extends Registry {
  /** The lines that it has written so far. */
  lines: string[]
}

export interface Behind {
  /** Host and port of a registry that speaks plain HTTP. */
  registry: string
  /** The same of Lookaside. */
  lookaside: string
  /** Whether the lines are uncommented that are for a registry which asks for no credentials. */
  asksForTokens: boolean
}

type StartProxy = (folder: string, behind: Behind) => Promise<FrontProxy>

export const frontProxies: Record<'nginx' | 'Caddy', StartProxy> = {
  nginx: async (folder, behind) => {
    const { home, port, host, certificate, key, configured } = await prepare(folder, 'nginx', behind)
    const site = configured('nginx-registry.conf', {
      'listen 443 ssl': `listen localhost:${port} ssl`,
      'server_name registry.example.com': 'server_name localhost',
      '/etc/nginx/registry.crt': certificate,
      '/etc/nginx/registry.key': key,
    })
    const lines = await runNginx(home, `access_log off; include ${site};`)
    return { host, ca: certificate, lines }
  },

  Caddy: async (folder, behind) => {
    const { home, port, host, certificate, key, configured } = await prepare(folder, 'caddy', behind)
    const site = configured('Caddyfile-registry', {
      'registry.example.com {': `https://localhost:${port} {`,
      '/etc/caddy/registry.crt': certificate,
      '/etc/caddy/registry.key': key,
    })
    const configuration = join(home, 'Caddyfile')
    const options = '{\n\tadmin off\n\tauto_https disable_redirects\n}\n'
    writeFileSync(configuration, options + readFileSync(site, 'utf8'))
    const args = ['run', '--config', configuration, '--adapter', 'caddyfile']
    const lines: string[] = []
    const ready = (line: string) => {
      lines.push(line)
      return line.includes('serving initial configuration') ? true : undefined
    }
    await start('caddy', args, ready, { env: { HOME: home } })
    return { host, ca: certificate, lines }
  },
}

async function prepare(folder: string, name: string, { registry, lookaside, asksForTokens }: Behind) {
  const port = await freePort()
  const home = join(folder, `${name}-${port}`)
  mkdirSync(home)
  const { certificate, key } = await newCertificate(home, name)
  const configured = (file: string, changes: Record<string, string>) => {
    let text = readFileSync(new URL(`../../config/${file}`, import.meta.url), 'utf8')
    if (asksForTokens) text = text.replaceAll(/^(\s*)#(?=\S)/gm, '$1')
    for (const [old, value] of Object.entries({
      ...changes,
      'localhost:5000': registry,
      'localhost:8080': lookaside,
    })) {
      assert.ok(text.includes(old), `${file} has no ${old}`)
      text = text.replaceAll(old, value)
    }
    const path = join(home, file)
    writeFileSync(path, text)
    return path
  }
  return { home, port, host: `localhost:${port}`, certificate, key, configured }
}

/** A Lookaside for behind a proxy, and the address it listens on. */
export async function startPlainLookaside(
  folder: string,
  configuration: Record<string, unknown>,
): Promise<{ server: Lookaside; address: string }> {
  const listen = `localhost:${await freePort()}`
  const server = await startLookaside(folder, { listen, tls: { mode: 'off' }, ...configuration })
  return { server, address: listen }
}
