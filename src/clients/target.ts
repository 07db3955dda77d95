import type { ServedRegistry } from '../config/config.ts'
import { printable } from '../printable.ts'
import { parseReference } from '../reference/reference.ts'
import type { Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'

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

/**
 * The host of a registry, as image names have it.
 * @throws Refusal configuration
 */
export function readRegistry(text: string): string {
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

/**
 * Where a server of this configuration keeps the signatures of a registry. Absent: all share one space.
 * @throws Refusal configuration
 */
export function prefixOf(
  registries: readonly ServedRegistry[] | undefined,
  registry: string,
): Repository | '' {
  if (!registries) return ''
  const served = registries.find(({ host }) => host === registry)
  if (served) return served.prefix
  const hosts = registries.map(({ host }) => host).join(', ')
  throw new Refusal('configuration', `This server keeps no signatures for ${registry}, only for ${hosts}`)
}
