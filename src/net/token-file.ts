import { readFileSync } from 'node:fs'
import { isJwt, parseToken } from '../access/token.ts'
import { Refusal } from '../refusal.ts'

/** @throws Refusal configuration */
export function readTokenFile(file: string): string {
  return tokenIn(read(file), file)
}

/**
 * What does not look like a token is neither sent nor shown: it may be another secret.
 * @throws Refusal configuration
 */
export function tokenIn(text: string, where: string): string {
  const token = text.trim()
  if (parseToken(token) || isJwt(token)) return token
  throw new Refusal(
    'configuration',
    `${where} does not hold a token (lks_…, or a JWT of an issuer) and nothing else`,
  )
}

/**
 * For a server that may be of any kind (RFC 6750, section 2.1).
 * @throws Refusal configuration
 */
export function readBearerFile(file: string): string {
  const token = read(file).trim()
  if (/^[\w.~+/-]+=*$/.test(token)) return token
  throw new Refusal('configuration', `${file} does not hold a token and nothing else`)
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Refusal('configuration', `The token file cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
}
