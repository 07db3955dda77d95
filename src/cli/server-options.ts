import type { Command } from 'commander'
import { readCaFile } from '../net/ca-file.ts'
import { isLoopback } from '../net/outgoing.ts'
import { readTokenFile, tokenIn } from '../net/token-file.ts'
import { printable } from '../printable.ts'
import { Refusal } from '../refusal.ts'

/** The options of commands that talk to a server. */
export interface ServerOptions {
  server?: string
  tokenFile?: string
  ca?: string
}

/** Which server, and how this program shows itself to it. */
export interface ServerAccess {
  /** Without a slash at its end. */
  url: string
  /** Null: nothing but what is open to everybody. */
  token: string | null
  /** The only CA that is trusted; null: those of the system. */
  ca: { file: string; pem: string } | null
  /** Where proxies are named: HTTPS_PROXY, NO_PROXY … */
  env: NodeJS.ProcessEnv
}

export const defaultServer = 'https://localhost:8443'

export function onServer(command: Command): Command {
  return command
    .option('--server <url>', `the server (default: LOOKASIDE_SERVER, or ${defaultServer})`)
    .option('--token-file <file>', 'a file that holds the token (default: LOOKASIDE_TOKEN, the token itself)')
    .option('--ca <file>', 'the CA to trust instead of those of the system (default: LOOKASIDE_CA)')
}

/** @throws Refusal configuration */
export function serverAccess(env: NodeJS.ProcessEnv, options: ServerOptions): ServerAccess {
  const url = parseServerUrl(options.server ?? (env.LOOKASIDE_SERVER || defaultServer))
  const token = readToken(env, options.tokenFile)
  const ca = options.ca ?? (env.LOOKASIDE_CA || undefined)
  if (token !== null && url.startsWith('http:') && !isLoopback(url)) {
    throw new Refusal('configuration', `A token is not sent in the clear: use https, not ${url}`)
  }
  return { url, token, ca: ca === undefined ? null : { file: ca, pem: readCaFile(ca) }, env }
}

/**
 * The same for an upload, or another thing that takes a token.
 * @throws Refusal configuration
 */
export function uploadAccess(
  env: NodeJS.ProcessEnv,
  options: ServerOptions,
  what = 'An upload',
): ServerAccess {
  const access = serverAccess(env, options)
  if (access.token !== null) return access
  throw new Refusal(
    'configuration',
    `${what} takes a token: set LOOKASIDE_TOKEN, or name a file with --token-file`,
  )
}

/**
 * Reads the URL of a server; it has no slash at its end then. Nothing of a URL with credentials is shown.
 * @throws Refusal configuration
 */
export function parseServerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url && (url.username || url.password)) {
    throw new Refusal(
      'configuration',
      'The URL of the server must not hold credentials: give the token in a file',
    )
  }
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash) {
    const shown = text.includes('@') ? '' : `, not "${printable(text)}"`
    throw new Refusal(
      'configuration',
      `A server is an http or https URL without query, such as ${defaultServer}${shown}`,
    )
  }
  return url.href.replace(/\/+$/, '')
}

function readToken(env: NodeJS.ProcessEnv, file: string | undefined): string | null {
  if (file !== undefined) return readTokenFile(file)
  const text = env.LOOKASIDE_TOKEN ?? ''
  return text.trim() === '' ? null : tokenIn(text, 'LOOKASIDE_TOKEN')
}
