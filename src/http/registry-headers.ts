import { readChallenge } from '../manifests/challenge.ts'

/** Of one message; several values of one name in an array. */
export type Headers = Record<string, string | string[] | undefined>

/** Where clients get tokens that upstream would send them to itself for. */
export const tokenPath = '/extensions/v2/token'

/** What is between two neighbours and is not passed on (RFC 9110, 7.6.1; RFC 9112, 6.1). */
const betweenNeighbours = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** What of a request is for us: we have said 100 Continue, and we say who came by which name. */
const answeredHere = new Set(['expect', 'forwarded'])

export function requestHeaders(
  headers: Headers,
  { host, address, scheme, hideCredentials }: Passing & { hideCredentials: boolean },
): Headers {
  const hidden = (name: string) => answeredHere.has(name) || (hideCredentials && name === 'authorization')
  return {
    ...passedOn(headers, hidden),
    'x-forwarded-proto': scheme,
    'x-forwarded-host': host,
    'x-forwarded-for': address,
  }
}

/** By which name a client came here, and from where. */
export interface Passing {
  host: string
  address: string
  scheme: 'https' | 'http'
}

/** @param upstream the origin of the registry */
export function responseHeaders(
  headers: Headers,
  upstream: string,
  { host, scheme }: Pick<Passing, 'host' | 'scheme'>,
): Headers {
  const { location, 'www-authenticate': challenge, ...others } = passedOn(headers)
  return {
    ...others,
    ...(location !== undefined && { location: ownLocation(location, upstream) }),
    ...(challenge !== undefined && {
      'www-authenticate': ownChallenge(challenge, upstream, `${scheme}://${host}`),
    }),
  }
}

function passedOn(headers: Headers, isHidden: (name: string) => boolean = () => false): Headers {
  const named = [headers.connection ?? []]
    .flat()
    .join()
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
  const isPassed = (name: string) => !betweenNeighbours.has(name) && !named.includes(name) && !isHidden(name)
  return Object.fromEntries(Object.entries(headers).filter(([name]) => isPassed(name)))
}

/** A place on the registry is the same place here. */
function ownLocation(location: string | string[], upstream: string): string {
  const [text = ''] = [location].flat()
  const url = URL.canParse(text, upstream) ? new URL(text, upstream) : null
  return url?.origin === upstream ? `${url.pathname}${url.search}${url.hash}` : text
}

/** Where a challenge sends clients for a token. */
export function realmOf(challenge: string): URL | null {
  const realm = readChallenge(challenge)?.parameters.get('realm')
  return realm !== undefined && URL.canParse(realm) ? new URL(realm) : null
}

/** Whom a registry sends to itself for a token, clients cannot reach: they ask here. */
function ownChallenge(challenge: string | string[], upstream: string, own: string): string[] {
  return [challenge].flat().map((value) => {
    if (realmOf(value)?.origin !== upstream) return value
    return value.replace(/(realm=)"[^"]*"/i, `$1"${own}${tokenPath}"`)
  })
}
