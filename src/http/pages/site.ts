import type { FastifyRequest } from 'fastify'
import type { ServedRegistry } from '../../config/config.ts'
import { Refusal } from '../../refusal.ts'
import type { Catalog } from '../../storage/catalog.ts'
import type { Sources } from '../../storage/sources.ts'
import type { Reading } from '../../storage/storage.ts'
import type { Verdicts } from '../../storage/verdicts.ts'
import type { Reader, Readers } from '../authenticate.ts'
import type { GatesOptions } from '../gates.ts'
import type { Page } from './layout.ts'
import type { Links } from './links.ts'

export interface SiteOptions {
  storage: Pick<Reading, 'head' | 'changesAfter' | 'find' | 'list' | keyof Catalog> &
    Pick<Verdicts, 'keyring'> &
    Pick<Sources, 'sources'>
  readers: Readers
  gates: Omit<GatesOptions, 'readers'> & { names: readonly string[] }
  clients: {
    registries: readonly ServedRegistry[] | undefined
    /** What clients must trust, in PEM; null: nothing beyond what they do. */
    ca(): Promise<string | null>
  }
  clock(): number
  /** Scheme and authority that clients use, without a trailing slash. */
  origin(): string
}

/** What pages are made from. */
export interface Site extends SiteOptions {
  to: Links
}

/** An address that has a better one. */
export interface Elsewhere {
  location: string
}

/** One page, for somebody who may read what the reader may. */
export type View = (site: Site, request: FastifyRequest, reader: Reader) => Promise<Page | Elsewhere>

/** @throws Refusal bad-request where it is given twice, or is very long */
export function parameter({ query }: FastifyRequest, name: string): string | undefined {
  const value = (query as Record<string, unknown>)[name]
  if (value === undefined || (typeof value === 'string' && value.length <= maxParameter)) return value
  throw new Refusal('bad-request', `The parameter "${name}" is given twice, or longer than ${maxParameter}`)
}

/** More than the longest image reference. */
const maxParameter = 1024

/** @throws Refusal bad-request */
export function numberParameter(request: FastifyRequest, name: string): number | undefined {
  const text = parameter(request, name)
  if (text === undefined) return undefined
  if (/^(0|[1-9][0-9]{0,14})$/.test(text)) return Number(text)
  throw new Refusal('bad-request', `The parameter "${name}" is not a whole number`)
}

/** What stands for `:name` or `*` in the address. */
export function fromPath({ params }: FastifyRequest, name: string): string {
  return (params as Record<string, string>)[name] ?? ''
}
