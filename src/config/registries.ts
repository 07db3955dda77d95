import { parseReference } from '../reference/reference.ts'
import { parseRepository } from '../reference/repository.ts'
import type { RegistryConfig, ServedRegistry } from './config.ts'
import { meant, readableFile, refuse } from './meaning.ts'
import type { RawConfig } from './schema.ts'
import type { Settings } from './settings.ts'

/** A prefix inside another one would give two registries the same repositories, and so each other's rights. */
export function readRegistries(
  raw: NonNullable<RawConfig['registries']>,
  settings: Settings,
): ServedRegistry[] {
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

export function readRegistry(
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
