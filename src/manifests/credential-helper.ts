import { execFile } from 'node:child_process'
import { Refusal } from '../refusal.ts'
import type { Credentials } from './credentials.ts'

/** Credentials have some hundred bytes; a helper that prints more prints something else. */
const maxOutputBytes = 1024 * 1024

/** What a helper says where it has none (docker-credential-helpers, credentials/error.go). */
const notFoundMessage = 'credentials not found in native keychain'

/**
 * Asks docker-credential-NAME for the credentials of a registry (docker-credential-helpers, client/client.go; c/image,
 * `getCredsFromCredHelper`). What it says on its standard error is for the user; what it answers is shown to nobody.
 * `file` is where it was named.
 * @returns null where it has none
 * @throws Refusal configuration for one that fails
 */
export async function askHelper(
  helper: string,
  registry: string,
  { file, env }: { file: string; env: NodeJS.ProcessEnv },
): Promise<Credentials | null> {
  // It is looked for in PATH, and nowhere else.
  if (!/^[A-Za-z0-9_.-]+$/.test(helper))
    throw new Refusal('configuration', `${file}: "${helper}" cannot be the name of a credential helper`)
  const program = `docker-credential-${helper}`
  const { isDone, output } = await run(program, registry, env)
  if (!isDone && output.trim() === notFoundMessage) return null
  const { Username: username, Secret: secret } = isDone ? parse(output) : {}
  if (typeof username !== 'string' || typeof secret !== 'string')
    throw new Refusal(
      'configuration',
      `${program}, which ${file} names, gives no credentials for ${registry}`,
    )
  if (username === '<token>') return { username: '', password: '', identityToken: secret }
  return { username, password: secret, identityToken: '' }
}

function run(program: string, input: string, env: NodeJS.ProcessEnv) {
  return new Promise<{ isDone: boolean; output: string }>((resolve) => {
    const child = execFile(program, ['get'], { env, maxBuffer: maxOutputBytes }, (error, output) =>
      resolve({ isDone: !error, output }),
    )
    child.stderr?.pipe(process.stderr, { end: false })
    // One that does not read what it is asked may have an answer all the same.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

function parse(output: string): { Username?: unknown; Secret?: unknown } {
  try {
    return Object(JSON.parse(output))
  } catch {
    return {}
  }
}
