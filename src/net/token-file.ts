import { readFileSync } from 'node:fs'
import { isJwt, parseToken } from '../access/token.ts'
import { Refusal } from '../refusal.ts'

/** @throws Refusal configuration */
export function readTokenFile(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Refusal('configuration', `The token file cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
  return tokenIn(text, file)
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
