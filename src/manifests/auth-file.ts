import { readFile } from 'node:fs/promises'
import { Refusal } from '../refusal.ts'

/** An auth.json of podman (containers-auth.json(5)) or config.json of docker, as far as it tells of credentials. */
export interface AuthFile {
  file: string
  /** By registry, or a longer part of the name of a repository. */
  auths: Map<string, { auth: string; identityToken: string }>
  /** By registry: the program docker-credential-… that has them. */
  helpers: Map<string, string>
  /** The helper for registries that have none of their own. */
  store: string | null
}

/**
 * Null where the file is not there. Messages do not quote it: it holds passwords, and so do the messages of JSON.parse.
 * @throws Refusal configuration
 */
export async function readAuthFile(file: string): Promise<AuthFile | null> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    throw new Refusal('configuration', `The file of credentials cannot be read: ${message}`, { cause })
  }
  const broken = () =>
    new Refusal('configuration', `${file} is not a file of credentials as podman login writes it`)
  const { auths, credHelpers, credsStore } = objectOf(parse(text, broken) ?? {}, broken)
  const textOf = (value: unknown) => {
    if (value === undefined || value === null || typeof value === 'string') return value ?? ''
    throw broken()
  }
  const entries = (value: unknown) => Object.entries(objectOf(value ?? {}, broken))
  return {
    file,
    auths: new Map(
      entries(auths).map(([key, entry]) => {
        const { auth, identitytoken } = objectOf(entry ?? {}, broken)
        return [key, { auth: textOf(auth), identityToken: textOf(identitytoken) }]
      }),
    ),
    helpers: new Map(entries(credHelpers).map(([key, helper]) => [key, textOf(helper)])),
    store: textOf(credsStore) || null,
  }
}

function parse(text: string, broken: () => Refusal): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw broken()
  }
}

function objectOf(value: unknown, broken: () => Refusal): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken()
  return value as Record<string, unknown>
}
