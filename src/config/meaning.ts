import { accessSync, constants, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { Refusal } from '../refusal.ts'
import { ConfigurationError } from './configuration-error.ts'
import { formatPath, type Path } from './keys.ts'
import type { Setting, Settings } from './settings.ts'

/** What a parser of the pure folders makes of a text, its refusal turned into one that names the place. */
export function meant<Meaning>(settings: Settings, path: Path, parse: () => Meaning): Meaning {
  try {
    return parse()
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    return refuse(settings, path, `cannot be used: ${cause.message}`)
  }
}

export function refuse(settings: Settings, path: Path, message: string): never {
  throw new ConfigurationError(`${settingAt(settings, path)?.at(path) ?? formatPath(path)} ${message}`)
}

/** Without a slash at its end. Credentials are not quoted: the message goes to logs. */
export function readUrl(place: Path, text: string, settings: Settings): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url !== undefined && `${url.username}${url.password}${url.search}${url.hash}` === ''
  if (isPlain && /^https?:$/.test(url.protocol)) return url.href.replace(/[/?#]+$/, '')
  const quoted = text.includes('@') ? '' : `, not "${text}"`
  return refuse(settings, place, `must be an http or https URL without credentials or query${quoted}`)
}

/** An address, or a network as ADDRESS/BITS. */
export function readNetwork(text: string, place: Path, settings: Settings): string {
  const [, address = '', bits] = /^([0-9a-fA-F.:]+)(?:\/([1-9][0-9]{0,2}))?$/.exec(text) ?? []
  const most = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0
  if (most > 0 && Number(bits ?? most) <= most) return text
  return refuse(settings, place, `must be an IP address, or a network such as 10.0.0.0/8, not "${text}"`)
}

/** The setting that a place is in: that of a list or a mapping has everything in it. */
function settingAt(settings: Settings, path: Path): Setting | undefined {
  for (let length = path.length; length > 0; length--) {
    const setting = settings.get(path.slice(0, length).join('.'))
    if (setting !== undefined) return setting
  }
  return undefined
}

/** An absolute path: a relative one starts where its writer takes it to start. */
export function pathAt(place: Path, path: string, settings: Settings): string {
  return resolve(settingAt(settings, place)?.directory ?? '', path)
}

/** The absolute path of a file that can be read. */
export function readableFile(place: Path, path: string, settings: Settings): string {
  const absolute = pathAt(place, path, settings)
  try {
    accessSync(absolute, constants.R_OK)
  } catch (cause) {
    const problem = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : 'cannot be read'
    return refuse(settings, place, `names a file that ${problem}: ${absolute}`)
  }
  return statSync(absolute).isFile() ? absolute : refuse(settings, place, `must be a file: ${absolute}`)
}
