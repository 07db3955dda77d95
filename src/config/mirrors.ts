import { realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseDuration } from '../access/token.ts'
import { parseRepository, type Repository } from '../reference/repository.ts'
import type { MirrorConfig, PublishConfig, ServedRegistry } from './config.ts'
import type { Path } from './keys.ts'
import { meant, pathAt, readableFile, readUrl, refuse } from './meaning.ts'
import type { RawConfig } from './schema.ts'
import type { Settings } from './settings.ts'

/** Far below what a timer of Node can wait for, 2^31 - 1 ms, above which it does not wait at all. */
const maxEverySeconds = 7 * 86_400

/**
 * Two sources below one prefix could each hide what the other has, and say for its images who has signed them; so could
 * a source inside the prefix of a registry, for that registry. Only at the top they share one space, as in any docroot.
 */
export function readMirrors(
  raw: RawConfig['mirrors'],
  registries: readonly ServedRegistry[],
  settings: Settings,
): MirrorConfig[] {
  const mirrors = raw.map((mirror, index) => readMirror(mirror, ['mirrors', index], settings))
  for (const [index, { from, prefix }] of mirrors.entries()) {
    const place = ['mirrors', index, 'prefix']
    for (const other of mirrors.slice(0, index)) {
      if (prefix === other.prefix && from === other.from)
        refuse(settings, ['mirrors', index, 'from'], `is there twice: ${from}`)
      if (prefix === other.prefix && prefix !== '')
        refuse(settings, place, `is that of another mirror, of ${other.from}: ${prefix}`)
      if (isInside(prefix, other.prefix))
        refuse(
          settings,
          place,
          `lies inside the prefix of the mirror of ${other.from}, ${other.prefix}: ${prefix}`,
        )
      if (isInside(other.prefix, prefix))
        refuse(
          settings,
          place,
          `lies around the prefix of the mirror of ${other.from}, ${other.prefix}: ${prefix}`,
        )
    }
    for (const { host, prefix: served } of registries) {
      if (isInside(prefix, served))
        refuse(settings, place, `lies inside the prefix of ${host}, ${served}: ${prefix}`)
      if (isInside(served, prefix))
        refuse(settings, place, `lies around the prefix of ${host}, ${served}: ${prefix}`)
    }
  }
  return mirrors
}

function readMirror(raw: RawConfig['mirrors'][number], place: Path, settings: Settings): MirrorConfig {
  const { from, prefix, policy, every, images, ca, tokenFile } = raw
  const file = (key: string, path: string) => readableFile([...place, key], path, settings)
  return {
    from: readUrl([...place, 'from'], from, settings),
    prefix: prefix === '' ? prefix : meant(settings, [...place, 'prefix'], () => parseRepository(prefix)),
    policy: file('policy', policy),
    everySeconds: readEvery(every, [...place, 'every'], settings),
    ...(images !== undefined && { images: file('images', images) }),
    ...(ca !== undefined && { ca: file('ca', ca) }),
    ...(tokenFile !== undefined && { tokenFile: file('tokenFile', tokenFile) }),
  }
}

function readEvery(text: string, place: Path, settings: Settings): number {
  const seconds = meant(settings, place, () => parseDuration(text))
  return seconds <= maxEverySeconds ? seconds : refuse(settings, place, `must be at most 7d, not "${text}"`)
}

/** The top has every prefix inside it, and is nobody's. */
function isInside(prefix: Repository | '', other: Repository | ''): boolean {
  return other !== '' && prefix.startsWith(`${other}/`)
}

/**
 * What is published must not be written where the program keeps its own, nor one copy into another, whatever links lead
 * there: of each directory there is to be one writer.
 */
export function readPublish(raw: RawConfig['publish'], data: string, settings: Settings): PublishConfig[] {
  const dataFolder = reached(data)
  const published = raw.map(({ directory }, index) => {
    const place = ['publish', index, 'directory']
    const path = pathAt(place, directory, settings)
    return { place, path, real: reached(path) }
  })
  return published.map(({ place, path, real }, index) => {
    if (overlap(real, dataFolder))
      refuse(settings, place, `must be apart from the data folder, ${data}: ${path}`)
    const other = published.slice(0, index).find((each) => overlap(real, each.real))
    if (other?.real === real) refuse(settings, place, `is there twice: ${path}`)
    if (other) refuse(settings, place, `must be apart from ${other.path}: ${path}`)
    return { directory: path }
  })
}

/** Where an absolute path leads, as far as it is there. */
function reached(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(reached(parent), basename(path))
  }
}

/** Whether one of two absolute paths is, or lies in, the other. */
function overlap(one: string, other: string): boolean {
  const asFolder = (path: string) => (path.endsWith('/') ? path : `${path}/`)
  return asFolder(one).startsWith(asFolder(other)) || asFolder(other).startsWith(asFolder(one))
}
