import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { prefixOf, readRegistry, type Target } from '../clients/target.ts'
import type { Config } from '../config/config.ts'
import { originOf } from '../config/origin.ts'
import { readCaFile } from '../net/ca-file.ts'
import { parseRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import type { DataOptions } from './options.ts'
import { parseServerUrl } from './server-options.ts'

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
  const registry = readRegistry(options.registry)
  const named = options.server ?? (env.LOOKASIDE_SERVER || undefined)
  const isLocal = options.config !== undefined || options.data !== undefined || named === undefined
  const config = isLocal ? localConfig() : null
  const url = parseServerUrl(options.server ?? (config ? urlOf(config) : (named ?? '')))
  const prefix =
    options.prefix === undefined ? prefixOf(config?.registries, registry) : parseRepository(options.prefix)
  const prefixGuessed = options.prefix === undefined && config === null
  if (url.startsWith('http:')) return { registry, url, prefix, prefixGuessed, ca: null }
  const file =
    options.ca ?? (config?.tls.mode === 'auto' ? privateCaOf(config) : env.LOOKASIDE_CA || undefined)
  return { registry, url, prefix, prefixGuessed, ca: file === undefined ? null : readCaFile(file) }
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
