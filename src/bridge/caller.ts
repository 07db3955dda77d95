/** Who a registry has accepted, as the log shows it: the user of Basic, the subject of a token that is a JWT. */
export function callerOfRegistry(authorization: string | undefined): string {
  const [, scheme = '', value = ''] = /^([A-Za-z]+) +(\S+) *$/.exec(authorization ?? '') ?? []
  const name =
    scheme.toLowerCase() === 'basic'
      ? userOf(value)
      : scheme.toLowerCase() === 'bearer'
        ? subjectOf(value)
        : null
  return name ? name.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 100) : 'anonymous'
}

function userOf(credentials: string): string | null {
  return Buffer.from(credentials, 'base64').toString().split(':')[0] || null
}

/** Its signature was for the registry to verify, which has taken it. */
function subjectOf(token: string): string {
  try {
    const { sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      sub?: unknown
    }
    if (typeof sub === 'string' && sub !== '') return sub
  } catch {
    // It is no JWT, and says nothing to others than the registry.
  }
  return 'token'
}
