import { parseDuration } from '../access/token.ts'
import type { JsonObject } from '../claim/json.ts'
import type { Threshold } from '../policy/gate.ts'
import { defaultSignedIdentity, readSignedIdentity } from '../policy/signed-identity.ts'
import type { GateConfig } from './config.ts'
import { formatPath, type Path } from './keys.ts'
import { meant, readableFile, refuse } from './meaning.ts'
import type { RawConfig } from './schema.ts'
import type { Settings } from './settings.ts'

export function readGates(raw: RawConfig['gates'], settings: Settings): Record<string, GateConfig> {
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
