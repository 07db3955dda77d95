import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parsePattern } from '../access/pattern.ts'
import { parseDuration } from '../access/token.ts'
import type { JsonObject } from '../claim/json.ts'
import type { Threshold } from '../policy/gate.ts'
import { defaultSignedIdentity, readSignedIdentity } from '../policy/signed-identity.ts'
import { parseReference } from '../reference/reference.ts'
import { parseRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { parseServerName } from '../tls/names.ts'
import type { Config, DigestView, GateConfig, RegistryConfig, ServedRegistry, TlsConfig } from './config.ts'
import { ConfigurationError } from './configuration-error.ts'
import { isObject } from './fault.ts'
import {
  formatPath,
  isSection,
  type Key,
  keysIn,
  type Path,
  root,
  type SchemaNode,
  valuesOf,
} from './keys.ts'
import { type ListenAddress, parseListenAddress } from './listen.ts'
import type { RawConfig } from './schema.ts'
import type { Setting, Settings } from './settings.ts'

/** Fills in the defaults, reads each text into what it means and checks the settings against each other. */
export function interpret(settings: Settings, workingDirectory: string): Config {
  const raw = withDefaults(root, settings) as RawConfig
  const tls = readTls(raw.tls, settings)
  return {
    data: resolve(workingDirectory, raw.data),
    listen: readListen(raw.listen, settings),
    ...(raw.publicUrl !== undefined && { publicUrl: readPublicUrl(raw.publicUrl, settings) }),
    tls,
    workers: raw.workers,
    ...(raw.registries !== undefined && { registries: readRegistries(raw.registries, settings) }),
    ...(raw.policy !== undefined && { policy: readableFile(['policy'], raw.policy, settings) }),
    gates: readGates(raw.gates, settings),
    reads: raw.reads,
    uploads: raw.uploads,
    digestViews: readDigestViews(raw.digestViews, settings),
    tree: raw.tree,
    registry: readRegistry(raw.registry, raw.registries, settings),
    log: raw.log,
    warnings: unusedTlsSettings(tls, settings),
  }
}

function withDefaults(key: Key, settings: Settings): unknown {
  if (isSection(key.node)) {
    const members = keysIn(key).map((child) => [child.path.at(-1), withDefaults(child, settings)] as const)
    return Object.fromEntries(members.filter(([, value]) => value !== undefined))
  }
  const setting = settings.get(key.name)
  return setting === undefined ? key.node.default : withItemDefaults(key.node, setting.value)
}

function withItemDefaults(node: SchemaNode, value: unknown): unknown {
  const named = valuesOf(node)
  if (named !== undefined && isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withDefault(named, item)]))
  }
  return Array.isArray(value) ? value.map((item) => withDefault(node.items ?? {}, item)) : value
}

function withDefault({ properties = {} }: SchemaNode, item: unknown): unknown {
  if (!isObject(item)) return item
  const members = Object.entries(properties).flatMap(([name, node]) => {
    const value = Object.hasOwn(item, name) ? withItemDefaults(node, item[name]) : node.default
    return value === undefined ? [] : [[name, value]]
  })
  return Object.fromEntries(members)
}

function readListen(text: string, settings: Settings): ListenAddress {
  const address = parseListenAddress(text)
  return address ?? refuse(settings, ['listen'], `must be HOST:PORT, [IPV6]:PORT or :PORT, not "${text}"`)
}

function readPublicUrl(text: string, settings: Settings): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url !== undefined && `${url.username}${url.password}${url.search}${url.hash}` === ''
  if (!isPlain || !/^https?:$/.test(url.protocol)) {
    return refuse(
      settings,
      ['publicUrl'],
      `must be an http or https URL without credentials or query, not "${text}"`,
    )
  }
  return url.href.replace(/\/+$/, '')
}

function readTls(raw: RawConfig['tls'], settings: Settings): TlsConfig {
  const { cert, key, names } = raw
  const mode = settings.has('tls.mode') || (cert ?? key) === undefined ? raw.mode : 'files'
  if (mode === 'off') return { mode }
  if (mode === 'auto')
    return { mode, names: names.map((name, index) => readServerName(name, index, settings)) }
  if (cert === undefined || key === undefined) {
    const place = ['tls.mode', 'tls.cert', 'tls.key'].find((name) => settings.has(name)) ?? 'tls.mode'
    const missing = cert === undefined ? 'tls.cert' : 'tls.key'
    return refuse(settings, place.split('.'), `needs ${missing} as well`)
  }
  return {
    mode,
    cert: readableFile(['tls', 'cert'], cert, settings),
    key: readableFile(['tls', 'key'], key, settings),
  }
}

function readServerName(text: string, index: number, settings: Settings): string {
  const name = parseServerName(text)
  if (name !== undefined) return name.value
  return refuse(settings, ['tls', 'names', index], `must be a DNS name or an IP address, not "${text}"`)
}

function readableFile(place: Path, path: string, settings: Settings): string {
  const absolute = resolve(settingAt(settings, place)?.directory ?? '', path)
  try {
    accessSync(absolute, constants.R_OK)
  } catch (cause) {
    const problem = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : 'cannot be read'
    return refuse(settings, place, `names a file that ${problem}: ${absolute}`)
  }
  return statSync(absolute).isFile() ? absolute : refuse(settings, place, `must be a file: ${absolute}`)
}

function unusedTlsSettings({ mode }: TlsConfig, settings: Settings): string[] {
  return ['cert', 'key', 'names'].flatMap((name) => {
    const setting = settings.get(`tls.${name}`)
    const isUsed = mode === (name === 'names' ? 'auto' : 'files')
    return setting === undefined || isUsed
      ? []
      : [`${setting.at(['tls', name])} is not used, because tls.mode is ${mode}.`]
  })
}

/** A prefix inside another one would give two registries the same repositories, and so each other's rights. */
function readRegistries(raw: NonNullable<RawConfig['registries']>, settings: Settings): ServedRegistry[] {
  const registries = raw.map(({ host, prefix }, index): ServedRegistry => {
    const place = ['registries', index]
    if (!isRegistryHost(host)) {
      return refuse(
        settings,
        [...place, 'host'],
        `must be a registry as image names have it, such as docker.io or registry.example.com:5000, not "${host}"`,
      )
    }
    const read = prefix === '' ? prefix : meant(settings, [...place, 'prefix'], () => parseRepository(prefix))
    return { host, prefix: read }
  })
  for (const [index, { host, prefix }] of registries.entries()) {
    const isRepeated = registries.slice(0, index).some((other) => other.host === host)
    if (isRepeated) refuse(settings, ['registries', index, 'host'], `is there twice: ${host}`)
    const around = registries.find((other) => other.prefix !== '' && prefix.startsWith(`${other.prefix}/`))
    if (around !== undefined) {
      refuse(
        settings,
        ['registries', index, 'prefix'],
        `lies inside the prefix of ${around.host}, ${around.prefix}: ${prefix}`,
      )
    }
  }
  return registries
}

/** Whether references to images can name this host, spelled as their normal form has it (`index.docker.io` is not). */
function isRegistryHost(host: string): boolean {
  try {
    return parseReference(`${host}/any/repository`).host === host
  } catch {
    return false
  }
}

function readGates(raw: RawConfig['gates'], settings: Settings): Record<string, GateConfig> {
  const read = Object.entries(raw).map(([name, { policy, keys, maxAge, index }]): [string, GateConfig] => {
    const place = ['gates', name]
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
      refuse(
        settings,
        place,
        'is no name for a gate: letters, digits, dots, underscores and dashes, up to 64',
      )
    }
    const gate = {
      policy: readableFile([...place, 'policy'], policy, settings),
      thresholds: keys.map((each, at) => readThreshold(each, [...place, 'keys', at], settings)),
      maxAge:
        maxAge === undefined ? null : meant(settings, [...place, 'maxAge'], () => parseDuration(maxAge)),
      index,
    }
    return [name, gate]
  })
  return Object.fromEntries(read)
}

type RawThreshold = RawConfig['gates'][string]['keys'][number]

function readThreshold(
  { atLeast, of, signedIdentity }: RawThreshold,
  place: Path,
  settings: Settings,
): Threshold {
  return {
    type: 'threshold',
    place: formatPath(place),
    atLeast,
    keys: { paths: of.map((file, at) => readableFile([...place, 'of', at], file, settings)) },
    signedIdentity:
      signedIdentity === undefined
        ? defaultSignedIdentity
        : meant(settings, [...place, 'signedIdentity'], () =>
            readSignedIdentity(signedIdentity as JsonObject, 'signedIdentity'),
          ),
  }
}

function readRegistry(
  raw: RawConfig['registry'],
  registries: RawConfig['registries'],
  settings: Settings,
): RegistryConfig {
  const { upstream, ca, host, delegate, anonymous } = raw
  if (delegate && upstream === undefined)
    refuse(settings, ['registry', 'delegate'], 'needs registry.upstream as well')
  if (anonymous && !delegate) refuse(settings, ['registry', 'anonymous'], 'needs registry.delegate as well')
  if (host !== undefined && !isRegistryHost(host))
    refuse(settings, ['registry', 'host'], `must be a registry as image names have it, not "${host}"`)
  if (host !== undefined && registries && !registries.some((each) => each.host === host))
    refuse(settings, ['registry', 'host'], `is not in registries: ${host}`)
  // Else who may push to one registry could sign for another, by asking for its name.
  if (delegate && host === undefined && new Set(registries?.map(({ prefix }) => prefix)).size > 1)
    refuse(settings, ['registry', 'delegate'], 'needs registry.host: which of the registries decides')
  return {
    ...(upstream !== undefined && { upstream: readUpstream(upstream, settings) }),
    ...(ca !== undefined && { ca: readableFile(['registry', 'ca'], ca, settings) }),
    ...(host !== undefined && { host }),
    delegate,
    anonymous,
  }
}

function readUpstream(text: string, settings: Settings): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin
  return refuse(
    settings,
    ['registry', 'upstream'],
    `must be an http or https URL without a path or credentials, not "${text}"`,
  )
}

function readDigestViews(raw: RawConfig['digestViews'], settings: Settings): DigestView[] {
  return raw.map(({ base, repositories }, index) => {
    const place = ['digestViews', index]
    if (raw.slice(0, index).some((other) => other.base === base)) {
      refuse(settings, [...place, 'base'], `is the base of another digest view: "${base}"`)
    }
    return {
      base: base === '' ? base : meant(settings, [...place, 'base'], () => parseRepository(base)),
      repositories: repositories.map((text, at) =>
        meant(settings, [...place, 'repositories', at], () => parsePattern(text)),
      ),
    }
  })
}

/** What a parser of the pure folders makes of a text, its refusal turned into one that names the place. */
function meant<Meaning>(settings: Settings, path: Path, parse: () => Meaning): Meaning {
  try {
    return parse()
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    return refuse(settings, path, `cannot be used: ${cause.message}`)
  }
}

function refuse(settings: Settings, path: Path, message: string): never {
  throw new ConfigurationError(`${settingAt(settings, path)?.at(path) ?? formatPath(path)} ${message}`)
}

/** The setting that a place is in: that of a list or a mapping has everything in it. */
function settingAt(settings: Settings, path: Path): Setting | undefined {
  for (let length = path.length; length > 0; length--) {
    const setting = settings.get(path.slice(0, length).join('.'))
    if (setting !== undefined) return setting
  }
  return undefined
}
