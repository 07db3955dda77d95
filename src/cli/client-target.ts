import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { originOf } from '../config/origin.ts'
import { parseReference } from '../reference/reference.ts'
import { parseRepository, type Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { readCaFile } from './ca-file.ts'
import type { DataOptions } from './options.ts'
import { printable } from './printable.ts'
import { parseServerUrl } from './server-options.ts'

/** A server as clients reach it, and a registry whose signatures it has. */
export interface Target {
  /** As image references have it. */
  registry: string
  /** Of the server, without a slash at its end. */
  url: string
  /** Where the server keeps that registry; empty: at the top. */
  prefix: Repository | ''
  /** Nobody said so: the configuration of that server is not at hand. */
  prefixGuessed: boolean
  /** What clients must trust, in PEM; null: nothing beyond what they do. */
  ca: string | null
}

export interface TargetOptions extends DataOptions {
  registry: string
  prefix?: string
  server?: string
  ca?: string
}

/**
 * What was named on the command line, then the local configuration if that is what is asked about. Of another server
 * the local configuration knows nothing.
 * @throws Refusal configuration
 */
export function targetOf(options: TargetOptions, env: NodeJS.ProcessEnv, localConfig: () => Config): Target {
  const registry = readHost(options.registry)
  const named = options.server ?? (env.LOOKASIDE_SERVER || undefined)
  const isLocal = options.config !== undefined || options.data !== undefined || named === undefined
  const config = isLocal ? localConfig() : null
  const url = parseServerUrl(options.server ?? (config ? urlOf(config) : (named ?? '')))
  const prefix = options.prefix === undefined ? prefixOf(config, registry) : parseRepository(options.prefix)
  const prefixGuessed = options.prefix === undefined && config === null
  if (url.startsWith('http:')) return { registry, url, prefix, prefixGuessed, ca: null }
  const file =
    options.ca ?? (config?.tls.mode === 'auto' ? privateCaOf(config) : env.LOOKASIDE_CA || undefined)
  return { registry, url, prefix, prefixGuessed, ca: file === undefined ? null : readCaFile(file) }
}

function readHost(text: string): string {
  try {
    const { host } = parseReference(`${text}/any/repository`)
    if (host === text) return host
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
  const example = 'docker.io or registry.example.com:5000'
  throw new Refusal(
    'configuration',
    `"${printable(text)}" is no registry as image names have it, such as ${example}`,
  )
}

/** As clients reach a server of this configuration. */
function urlOf(config: Config): string {
  if (config.publicUrl === undefined && config.listen.port === 0) {
    throw new Refusal(
      'configuration',
      'The system chooses the port of this server: set publicUrl, or name it with --server',
    )
  }
  return originOf(config, config.listen.port)
}

function privateCaOf({ data }: Config): string {
  const file = join(data, 'tls', 'ca.crt')
  if (existsSync(file)) return file
  throw new Refusal(
    'configuration',
    `There is no CA at ${file} yet: the server makes it when it starts; or name one with --ca`,
  )
}

function prefixOf(config: Config | null, registry: string): Repository | '' {
  if (!config?.registries) return ''
  const served = config.registries.find(({ host }) => host === registry)
  if (served) return served.prefix
  const hosts = config.registries.map(({ host }) => host).join(', ')
  throw new Refusal('configuration', `This server keeps no signatures for ${registry}, only for ${hosts}`)
}
