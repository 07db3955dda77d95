import { type ClientRule, clientNameKinds as kinds } from '../access/client-rule.ts'
import { parseScope } from '../access/principal.ts'
import type { TlsConfig } from './config.ts'
import { meant, refuse } from './meaning.ts'
import type { RawConfig } from './schema.ts'
import type { Settings } from './settings.ts'

export function readClients(raw: RawConfig['clients'], tls: TlsConfig, settings: Settings): ClientRule[] {
  if (raw.length && (tls.mode === 'off' || tls.clientCa === undefined))
    refuse(settings, ['clients'], 'needs tls.clientCa as well, and TLS')
  return raw.map((client, index) => {
    const place = ['clients', index]
    const [kind, another] = kinds.filter((each) => client[each] !== undefined)
    const name = kind && client[kind]
    if (kind === undefined || name === undefined || another !== undefined)
      return refuse(settings, place, `must have one of ${kinds.join(', ')}`)
    const scopes = client.allow.map((text, at) =>
      meant(settings, [...place, 'allow', at], () => parseScope(text)),
    )
    return { kind, name, scopes }
  })
}
