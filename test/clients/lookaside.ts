import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Outcome, type ProgramOptions, run, start, succeed } from './program.ts'

const program = fileURLToPath(new URL('../../src/lookaside.js', import.meta.url))

export interface Lookaside {
  /** Without a slash at its end. */
  url: string
  /** The file of its private CA. */
  ca: string
  data: string
  /** Makes a token with these scopes. */
  token(...scopes: string[]): Promise<string>
  /** Runs a command that talks to the server. */
  command(token: string | undefined, args: string[], options?: ProgramOptions): Promise<Outcome>
  /** Runs a command on its data folder and configuration. */
  administer(name: string, ...args: string[]): Promise<Outcome>
  /** What it has logged so far. */
  log(): Record<string, unknown>[]
  /** Stops it with SIGTERM; returns its exit code. */
  stop(): Promise<number | null>
}

/** A server of two processes, with a data folder and a private CA of its own. */
export async function startLookaside(
  folder: string,
  configuration: Record<string, unknown> = {},
): Promise<Lookaside> {
  const home = join(folder, 'lookaside')
  const file = join(home, 'lookaside.yaml')
  const { data = join(home, 'data') } = configuration as { data?: string }
  mkdirSync(home, { recursive: true })
  // YAML has JSON in it.
  writeFileSync(file, JSON.stringify({ listen: 'localhost:0', workers: 2, ...configuration, data }))
  const lines: string[] = []
  const ready = (line: string) => {
    lines.push(line)
    return listening(line)
  }
  const { readiness, stop } = await start(process.execPath, [program, 'serve', '--config', file], ready)
  const { url, ca } = readiness
  return {
    url,
    ca,
    data,
    stop,
    log: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    token: async (...scopes) => {
      const args = ['token', 'create', '--config', file, '--name', 'signer', '--allow', ...scopes]
      return (await succeed(process.execPath, [program, ...args])).trim()
    },
    command: (token, args, { env, ...options } = {}) =>
      run(process.execPath, [program, ...args], {
        ...options,
        env: { LOOKASIDE_SERVER: url, LOOKASIDE_CA: ca, LOOKASIDE_TOKEN: token, ...env },
      }),
    administer: (name, ...args) => run(process.execPath, [program, name, '--config', file, ...args]),
  }
}

/** The line of the log that a server writes when it takes connections. */
function listening(line: string): Pick<Lookaside, 'url' | 'ca'> | undefined {
  if (!line.includes('"msg":"listening"')) return undefined
  const { url, ca } = JSON.parse(line)
  return { url, ca }
}
