import { resolve } from 'node:path'
import { parsePattern } from '../access/pattern.ts'
import { parseRepository } from '../reference/repository.ts'
import { parseServerName } from '../tls/names.ts'
import { readClients } from './clients.ts'
import type { Config, DigestView, TlsConfig } from './config.ts'
import { isObject } from './fault.ts'
import { readGates } from './gates.ts'
import { isSection, type Key, keysIn, root, type SchemaNode, valuesOf } from './keys.ts'
import { type ListenAddress, parseListenAddress } from './listen.ts'
import { meant, readableFile, readNetwork, readUrl, refuse } from './meaning.ts'
import { readMirrors, readPublish } from './mirrors.ts'
import { readIssuers } from './oidc.ts'
import { readRegistries, readRegistry } from './registries.ts'
import type { RawConfig } from './schema.ts'
import type { Settings } from './settings.ts'

/** Fills in the defaults, reads each text into what it means and checks the settings against each other. */
export function interpret(settings: Settings, workingDirectory: string): Config {
  const raw = withDefaults(root, settings) as RawConfig
  const data = resolve(workingDirectory, raw.data)
  const tls = readTls(raw.tls, settings)
  const registries = raw.registries && readRegistries(raw.registries, settings)
  return {
    data,
    listen: readListen(raw.listen, settings),
    ...(raw.publicUrl !== undefined && { publicUrl: readUrl(['publicUrl'], raw.publicUrl, settings) }),
    tls,
    workers: raw.workers,
    ...(registries !== undefined && { registries }),
    ...(raw.policy !== undefined && { policy: readableFile(['policy'], raw.policy, settings) }),
    gates: readGates(raw.gates, settings),
    reads: raw.reads,
    uploads: raw.uploads,
    withdraw: { graceSeconds: Math.max(raw.withdraw.graceSeconds, raw.reads.cacheSeconds) },
    digestViews: readDigestViews(raw.digestViews, settings),
    tree: raw.tree,
    registry: readRegistry(raw.registry, raw.registries, settings),
    trustedProxies: raw.trustedProxies.map((text, index) =>
      readNetwork(text, ['trustedProxies', index], settings),
    ),
    oidc: readIssuers(raw.oidc, settings),
    clients: readClients(raw.clients, tls, settings),
    mirrors: readMirrors(raw.mirrors, registries ?? [], settings),
    publish: readPublish(raw.publish, data, settings),
    audit: raw.audit,
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

function readTls(raw: RawConfig['tls'], settings: Settings): TlsConfig {
  const { cert, key, names, clientCa: ca } = raw
  const mode = settings.has('tls.mode') || (cert ?? key) === undefined ? raw.mode : 'files'
  if (mode === 'off') return { mode }
  const clientCa = ca !== undefined && { clientCa: readableFile(['tls', 'clientCa'], ca, settings) }
  if (mode === 'auto')
    return { mode, names: names.map((name, index) => readServerName(name, index, settings)), ...clientCa }
  if (cert === undefined || key === undefined) {
    const place = ['tls.mode', 'tls.cert', 'tls.key'].find((name) => settings.has(name)) ?? 'tls.mode'
    const missing = cert === undefined ? 'tls.cert' : 'tls.key'
    return refuse(settings, place.split('.'), `needs ${missing} as well`)
  }
  return {
    mode,
    cert: readableFile(['tls', 'cert'], cert, settings),
    key: readableFile(['tls', 'key'], key, settings),
    ...clientCa,
  }
}

function readServerName(text: string, index: number, settings: Settings): string {
  const name = parseServerName(text)
  if (name !== undefined) return name.value
  return refuse(settings, ['tls', 'names', index], `must be a DNS name or an IP address, not "${text}"`)
}

function unusedTlsSettings({ mode }: TlsConfig, settings: Settings): string[] {
  const modes: Record<string, TlsConfig['mode'][]> = {
    cert: ['files'],
    key: ['files'],
    names: ['auto'],
    clientCa: ['auto', 'files'],
  }
  return Object.entries(modes).flatMap(([name, used]) => {
    const setting = settings.get(`tls.${name}`)
    const isUsed = used.includes(mode)
    return setting === undefined || isUsed
      ? []
      : [`${setting.at(['tls', name])} is not used, because tls.mode is ${mode}.`]
  })
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
