import { configSchema } from './schema.ts'

/** Where a value stands: keys and, in lists, indices. */
export type Path = readonly (string | number)[]

/** The parts of JSON Schema that `configSchema` uses. */
export interface SchemaNode {
  type?: 'object' | 'array' | 'string' | 'integer' | 'boolean'
  description?: string
  default?: unknown
  examples?: unknown[]
  properties?: Record<string, SchemaNode>
  required?: string[]
  items?: SchemaNode
  /** Of a mapping: names that the operator chooses, and what each of them leads to. */
  patternProperties?: Record<string, SchemaNode>
  /** What the value must be, where JSON Schema does not say it. */
  $comment?: string
  anyOf?: SchemaNode[]
  enum?: string[]
  const?: string
  minimum?: number
  maximum?: number
  minLength?: number
  minItems?: number
}

/** A section or a setting. A list is one setting, whatever is in it, and so is a mapping of names that are chosen freely. */
export interface Key {
  path: readonly string[]
  name: string
  node: SchemaNode
}

/** The section that is the whole configuration. */
export const root: Key = { path: [], name: '', node: configSchema as unknown as SchemaNode }

export function keysIn({ path, node }: Key): Key[] {
  return Object.entries(node.properties ?? {}).map(([name, child]) => {
    const childPath = [...path, name]
    return { path: childPath, name: childPath.join('.'), node: child }
  })
}

/** Every key in the order of the schema, a section before what is in it. */
export function allKeys(section: Key = root): Key[] {
  return keysIn(section).flatMap((key) => (isSection(key.node) ? [key, ...allKeys(key)] : [key]))
}

export function isSection(node: SchemaNode): boolean {
  return node.type === 'object' && node.patternProperties === undefined
}

/** What the names of a mapping lead to; undefined for what is none. */
export function valuesOf({ patternProperties }: SchemaNode): SchemaNode | undefined {
  return patternProperties && Object.values(patternProperties)[0]
}

/** `tls.cert` and `registries[1].prefix`. */
export function formatPath(path: Path): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
    .join('')
    .replace(/^\./, '')
}

/** The environment variable of a key: `LOOKASIDE_READS_CACHE_SECONDS`. */
export function variableOf({ path }: Key): string {
  const words = path.map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase())
  return ['LOOKASIDE', ...words].join('_')
}

/** The keys that have a flag on the command line. */
export const flags: Readonly<Record<string, string>> = {
  data: '--data',
  listen: '--listen',
  'tls.mode': '--tls',
  'tls.cert': '--tls-cert',
  'tls.key': '--tls-key',
  policy: '--policy',
  workers: '--workers',
}

/** The description of a key, as `--help` shows it too. */
export function describeKey(name: string): string {
  const key = allKeys().find((candidate) => candidate.name === name)
  if (key?.node.description === undefined) throw new RangeError(`${name} is not a configuration key`)
  return key.node.description
}

/** What a value must be: "an integer from 1 to 64 or auto". Ends a sentence that starts with "must be". */
export function expected(node: SchemaNode): string {
  if (node.$comment !== undefined) return node.$comment
  if (valuesOf(node) !== undefined) return 'a mapping of names'
  if (node.anyOf !== undefined) return node.anyOf.map(expected).join(' or ')
  if (node.enum !== undefined) return node.enum.join(', ').replace(/, ([^,]*)$/, ' or $1')
  if (node.const !== undefined) return node.const
  if (node.type === 'integer') return `an integer from ${node.minimum} to ${node.maximum}`
  if (node.type === 'boolean') return 'true or false'
  if (node.type === 'array') return node.minItems === undefined ? 'a list' : 'a list that is not empty'
  if (node.type === 'object') return `a mapping with ${Object.keys(node.properties ?? {}).join(', ')}`
  return node.minLength === undefined ? 'text' : 'text that is not empty'
}
