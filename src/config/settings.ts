import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ConfigurationError } from './configuration-error.ts'
import { findFault, isObject } from './fault.ts'
import {
  allKeys,
  flags as flagNames,
  formatPath,
  isSection,
  type Key,
  keysIn,
  type Path,
  root,
  variableOf,
} from './keys.ts'
import { readYaml } from './yaml.ts'

/** A value of the right type, and where it was written. */
export interface Setting {
  value: unknown
  /** Names the place of the value, or of a part of it, for a person: `/etc/lookaside.yaml:12: tls.mode`. */
  at: (path: Path) => string
  /** The folder that its writer will take relative paths to start at. */
  directory: string
}

/** By the name of the key. A section is never one; what is in it is. */
export type Settings = Map<string, Setting>

type Origin = Pick<Setting, 'at' | 'directory'>

export function settingsOfFile(file: string, workingDirectory: string): Settings {
  const path = resolve(workingDirectory, file)
  const { value, lineOf } = readYaml(readText(path, file), file)
  const at = (place: Path): string => `${file}:${lineOf(place)}: ${formatPath(place) || 'the configuration'}`
  return split(root, value, { at, directory: dirname(path) })
}

/** Each key has a variable, sections too; those of a key go before those of its section. An empty one counts as not set. */
export function settingsOfEnvironment(
  environment: Record<string, string | undefined>,
  workingDirectory: string,
): Settings {
  const found: Settings = new Map()
  for (const key of allKeys()) {
    const variable = variableOf(key)
    const text = environment[variable]
    if (text === undefined || text === '') continue
    add(found, readTextual(key, text, variable, workingDirectory))
  }
  return found
}

/** Flags come with dotted names or nested; text is read as in a variable, and undefined is a flag that was not given. */
export function settingsOfFlags(flags: Record<string, unknown>, workingDirectory: string): Settings {
  const found: Settings = new Map()
  for (const [name, value] of flatten(flags)) {
    const flag = flagNames[name] ?? `--${name}`
    const key = allKeys().find((candidate) => candidate.name === name)
    if (key === undefined) throw new ConfigurationError(`${flag} is not a configuration key`)
    const origin = { at: placeIn(key, flag), directory: workingDirectory }
    add(
      found,
      typeof value === 'string' ? readTextual(key, value, flag, workingDirectory) : split(key, value, origin),
    )
  }
  return found
}

export function add(settings: Settings, more: Settings): void {
  for (const [name, setting] of more) settings.set(name, setting)
}

/** A key that is text takes it as it stands; the others are YAML, which holds JSON. */
function readTextual(key: Key, text: string, label: string, directory: string): Settings {
  const isText = key.node.type === 'string' || key.node.enum !== undefined
  return split(key, isText ? text : readYaml(text, label).value, { at: placeIn(key, label), directory })
}

function placeIn(key: Key, label: string): (path: Path) => string {
  return (path) => (path.length === key.path.length ? label : `${label}: ${formatPath(path)}`)
}

/** The settings in the value of a key, once its types are known to be right. */
function split(key: Key, value: unknown, origin: Origin): Settings {
  const fault = findFault(key.node, value, key.path)
  if (fault !== undefined) throw new ConfigurationError(`${origin.at(fault.path)} ${fault.message}`)
  return new Map(settingsIn(key, value).map(([name, setting]) => [name, { value: setting, ...origin }]))
}

function settingsIn(key: Key, value: unknown): [string, unknown][] {
  if (!isSection(key.node)) return [[key.name, value]]
  return keysIn(key).flatMap((child) => {
    const name = child.path.at(-1) ?? ''
    return isObject(value) && Object.hasOwn(value, name) ? settingsIn(child, value[name]) : []
  })
}

function flatten(values: Record<string, unknown>, section = ''): [string, unknown][] {
  return Object.entries(values).flatMap(([name, value]): [string, unknown][] => {
    const full = `${section}${name}`
    if (value === undefined) return []
    return isObject(value) ? flatten(value, `${full}.`) : [[full, value]]
  })
}

function readText(path: string, file: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new ConfigurationError(
      `${file}: ${code === 'ENOENT' ? 'there is no such file' : `cannot be read: ${code}`}`,
      {
        cause,
      },
    )
  }
}
