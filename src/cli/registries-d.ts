import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Entry } from '../clients/files.ts'
import { isObject } from '../config/fault.ts'
import { Refusal } from '../refusal.ts'

export interface Inspection {
  /** What makes every client that reads the folder fail, a sentence each. */
  clashes: string[]
  /** What makes the entry less than it seems, a sentence each. */
  notes: string[]
  /** Another file that has this very entry, so that it must not be added; or null. */
  presentIn: string | null
}

/** What c/image takes from a file (docker/registries_d.go). An entry without lookaside leaves it to the next wider one. */
interface Section {
  lookaside: string | null
  staging: string | null
}

interface Contents {
  defaultDocker: Section | null
  docker: Map<string, Section>
}

/**
 * What becomes of the clients of a registries.d folder when the entry is in it. As c/image does, it merges every file
 * whose name ends in `.yaml`: one that cannot be read, or two that name the same thing, and no pull works at all. Releases
 * differ (those with yaml.v3 refuse a key that is there twice, older ones a link that leads nowhere): what some refuse
 * is a clash.
 * @throws Refusal configuration where the folder itself cannot be read
 */
export async function inspectRegistriesD(folder: string, entry: Entry): Promise<Inspection> {
  const clashes: string[] = []
  const defaults: [file: string, section: Section][] = []
  const namespaces = new Map<string, [file: string, section: Section][]>()
  const files = await yamlFiles(folder)
  for (const file of files) {
    if (file === entry.fileName) continue
    const contents = await readContents(join(folder, file))
    if (typeof contents === 'string') {
      clashes.push(`${file} ${contents}: every pull fails`)
      continue
    }
    if (contents.defaultDocker) defaults.push([file, contents.defaultDocker])
    for (const [name, section] of contents.docker)
      namespaces.set(name, [...(namespaces.get(name) ?? []), [file, section]])
  }
  if (defaults.length > 1) clashes.push(`default-docker is in ${list(defaults)}: every pull fails`)
  for (const [name, found] of namespaces) {
    if (found.length > 1) clashes.push(`${name} is in ${list(found)}: every pull fails`)
  }
  const [same] = namespaces.get(entry.namespace) ?? []
  const isPresent = same && says(same[1], entry) && !files.includes(entry.fileName)
  if (same && !isPresent) {
    clashes.push(
      `${entry.namespace} is in ${same[0]}: with ${entry.fileName} beside it every pull fails; set its ${entry.staging === null ? 'lookaside' : 'lookaside and lookaside-staging'} there`,
    )
  }
  return {
    clashes,
    notes: [...defaults.flatMap(noteOnDefault(entry)), ...notesOnNarrower(namespaces, entry)],
    presentIn: same && isPresent ? same[0] : null,
  }
}

function says({ lookaside, staging }: Section, entry: Entry): boolean {
  return lookaside === entry.lookaside && (entry.staging === null || staging === entry.staging)
}

function noteOnDefault({ namespace }: Entry): (found: [string, Section]) => string[] {
  return ([file, { lookaside, staging }]) => [
    ...(lookaside === null
      ? []
      : [`${file}: default-docker reads from ${lookaside}; for ${namespace} the entry goes before it`]),
    ...(staging === null
      ? []
      : [`${file}: default-docker stages in ${staging}; for ${namespace} that ends: signers need --staging`]),
  ]
}

function notesOnNarrower(
  namespaces: Map<string, [string, Section][]>,
  { namespace, lookaside }: Entry,
): string[] {
  return [...namespaces].flatMap(([name, found]) =>
    name.startsWith(`${namespace}/`)
      ? found
          .filter(([, section]) => section.lookaside !== null && section.lookaside !== lookaside)
          .map(
            ([file, section]) =>
              `${file}: ${name} is read from ${section.lookaside} and not from this server`,
          )
      : [],
  )
}

async function yamlFiles(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort()
  } catch (cause) {
    throw new Refusal('configuration', `The folder ${folder} cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** A string says why the file cannot be used. */
async function readContents(path: string): Promise<Contents | string> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    return `cannot be read (${(error as Error).message})`
  }
  try {
    return interpret(parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch (error) {
    return `cannot be understood (${(error as Error).message.replaceAll(/\s+/g, ' ').trim()})`
  }
}

/** The first document, as the YAML readers of Go take it; an empty file is one too. */
function parse(text: string): unknown {
  if (/[\0-\x08\v\f\x0e-\x1f\x7f]/.test(text)) throw new TypeError('control characters are not allowed')
  const [document] = parseAllDocuments(text, { merge: true, stringKeys: true, prettyErrors: false })
  if (!document || !('errors' in document)) return null
  const [error] = document.errors
  if (error) throw error
  return document.toJS()
}

function interpret(value: unknown): Contents {
  const { docker, 'default-docker': fallback } = mapping(value, 'the file')
  const entries = Object.entries(mapping(docker, 'docker'))
  return {
    defaultDocker: fallback === null || fallback === undefined ? null : section(fallback, 'default-docker'),
    docker: new Map(entries.map(([name, fields]) => [name, section(fields, name)])),
  }
}

/** `sigstore` is the name that `lookaside` had before. */
function section(value: unknown, name: string): Section {
  const fields = mapping(value, name)
  const text = (key: string) => scalar(fields[key], `${key} of ${name}`)
  const [reading, before] = [text('lookaside'), text('sigstore')]
  if (!isSwitch(fields['use-sigstore-attachments']))
    throw new TypeError(`use-sigstore-attachments of ${name} is not true or false`)
  const [staging, stagingBefore] = [text('lookaside-staging'), text('sigstore-staging')]
  return { lookaside: reading || before || null, staging: staging || stagingBefore || null }
}

function mapping(value: unknown, name: string): Record<string, unknown> {
  if (value === null || value === undefined) return {}
  if (isObject(value)) return value
  throw new TypeError(`${name} is not a mapping`)
}

/** Among the words of YAML 1.1, those that every release takes. */
function isSwitch(value: unknown): boolean {
  if (value === null || value === undefined || typeof value === 'boolean') return true
  return typeof value === 'string' && /^(?:y|Y|yes|on|n|N|no|off)$/.test(value)
}

function scalar(value: unknown, name: string): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'object') throw new TypeError(`${name} is not text`)
  return String(value)
}

function list(found: [file: string, section: Section][]): string {
  return found.map(([file]) => file).join(' and in ')
}
