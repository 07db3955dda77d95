import { homedir } from 'node:os'
import { join } from 'node:path'
import { Refusal } from '../refusal.ts'
import { type AuthFile, readAuthFile } from './auth-file.ts'
import { askHelper } from './credential-helper.ts'

/** Each is empty where there is none. */
export interface Credentials {
  username: string
  password: string
  /** To be changed for tokens, in place of the password. */
  identityToken: string
}

/**
 * What podman and skopeo would use for a repository, which is given with its registry: c/image,
 * pkg/docker/config/config.go, `GetCredentialsForRef`, and REGISTRY_AUTH_FILE as go.podman.io/common/pkg/auth has it.
 * The first file that has some counts; in it a helper for the registry, else the longest part of the name that has an
 * entry. As docker, and unlike podman, a helper for every registry (`credsStore`) is asked where that finds nothing.
 * ~/.dockercfg, and helpers that registries.conf names, are not looked at.
 * @throws Refusal configuration for a file that is broken, or that was named and is not there
 */
export async function findCredentials(
  repository: string,
  { env, authFile }: { env: NodeJS.ProcessEnv; authFile: string | null },
): Promise<Credentials | null> {
  const named = authFile ?? (env.REGISTRY_AUTH_FILE || null)
  for (const file of named !== null ? [named] : usualFiles(env)) {
    const content = await readAuthFile(file)
    if (!content && named !== null)
      throw new Refusal('configuration', `There is no file of credentials at ${file}`)
    const credentials = content && (await credentialsIn(content, repository, env))
    if (credentials) return credentials
  }
  return null
}

export function configHomeOf(env: NodeJS.ProcessEnv): string {
  return env.XDG_CONFIG_HOME || join(homeOf(env), '.config')
}

function homeOf(env: NodeJS.ProcessEnv): string {
  return env.HOME || homedir()
}

function usualFiles(env: NodeJS.ProcessEnv): string[] {
  const { XDG_RUNTIME_DIR: runtime, DOCKER_CONFIG: docker } = env
  return [
    runtime ? join(runtime, 'containers/auth.json') : `/run/containers/${process.getuid?.()}/auth.json`,
    join(configHomeOf(env), 'containers/auth.json'),
    join(docker || join(homeOf(env), '.docker'), 'config.json'),
  ]
}

async function credentialsIn(
  { file, auths, helpers, store }: AuthFile,
  repository: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | null> {
  const [registry = ''] = repository.split('/', 1)
  const helper = helpers.get(registry)
  if (helper !== undefined) return askHelper(helper, registry, { file, env })
  const key = keysOf(repository).find((key) => auths.has(key)) ?? urlKeyOf(registry, auths)
  const entry = key === undefined ? undefined : auths.get(key)
  const found = entry ? decode(entry, `${file}: the entry "${key}"`) : null
  if (found || store === null) return found
  // Where docker keeps what is for Docker Hub: under the URL of its first registry.
  return askHelper(store, registry === 'docker.io' ? hubUrl : registry, { file, env })
}

const hubUrl = 'https://index.docker.io/v1/'

/** `quay.io/team/app`, `quay.io/team`, `quay.io`. */
function keysOf(repository: string): string[] {
  const parts = repository.split('/')
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'))
}

/** docker login took URLs too, and keeps Docker Hub under one (`normalizeAuthFileKey` there). */
function urlKeyOf(registry: string, auths: AuthFile['auths']): string | undefined {
  const wanted = registryName(registry)
  return [...auths.keys()].find((key) => {
    const bare = key.replace(/^http:\/\//, '').replace(/^https:\/\//, '')
    return registryName(bare === key ? key : (bare.split('/', 1)[0] ?? '')) === wanted
  })
}

function registryName(host: string): string {
  return host === 'docker.io' || host === 'registry-1.docker.io' ? 'index.docker.io' : host
}

/** Null for an entry without a user: docker writes such where a helper has the rest. */
function decode(
  { auth, identityToken }: { auth: string; identityToken: string },
  place: string,
): Credentials | null {
  const text = Buffer.from(auth, 'base64')
  if (text.toString('base64') !== auth.replace(/[\r\n]/g, ''))
    throw new Refusal('configuration', `${place} has an auth that is not base64`)
  const [, username = '', password = ''] = /^([^:]*):([\s\S]*)$/.exec(text.toString()) ?? []
  if (!username && !password && !identityToken) return null
  if (!text.includes(':')) return null
  return { username, password: password.replace(/^\0+|\0+$/g, ''), identityToken }
}
