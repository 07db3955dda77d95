import { createHash, timingSafeEqual } from 'node:crypto'
import { Refusal } from '../refusal.ts'

/** 4 bytes of id, 32 of secret. */
export const tokenRandomBytes = 36

/** `lks_<id>_<secret>`: the prefix lets scanners of leaked secrets find it. */
const tokenPattern = /^lks_([0-9a-f]{8})_([A-Za-z0-9_-]{43})$/

export interface MintedToken {
  /** 8 hex digits, not secret: what lists, logs and `token revoke` show. Two tokens may draw the same one. */
  id: string
  /** What the holder sends. It is shown once and stored nowhere. */
  token: string
  /** What is stored. */
  hash: Uint8Array
}

/** `random`: `tokenRandomBytes` bytes from a cryptographic source. */
export function mintToken(random: Uint8Array): MintedToken {
  if (random.length !== tokenRandomBytes)
    throw new RangeError(`${tokenRandomBytes} random bytes make a token`)
  const bytes = Buffer.from(random)
  const id = bytes.toString('hex', 0, 4)
  const secret = bytes.toString('base64url', 4)
  return { id, token: `lks_${id}_${secret}`, hash: hashSecret(secret) }
}

export function parseToken(text: string): { id: string; secret: string } | null {
  const [, id, secret] = tokenPattern.exec(text) ?? []
  return id === undefined || secret === undefined ? null : { id, secret }
}

/** Whether a text has the form of a signed JWT (RFC 7515, section 7.1), as no token of this server has. */
export function isJwt(text: string): boolean {
  // Its header begins with `{"`, in base64url.
  return /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(text)
}

/** A text fit for a log: who puts a token where it does not belong is not to find it there. */
export function withoutSecrets(text: string): string {
  return text.replace(/(lks_[0-9a-f]{8}_)[A-Za-z0-9_-]+|(eyJ)[\w-]*\.[\w.-]*/g, '$1$2…')
}

/** In constant time, so that a stored hash cannot be guessed byte by byte from how long the answer takes. */
export function secretMatches(secret: string, hash: Uint8Array): boolean {
  const given = hashSecret(secret)
  return given.length === hash.length && timingSafeEqual(given, hash)
}

/** One round of SHA-256: slow hashes protect what people choose; 32 random bytes cannot be searched at any speed. */
function hashSecret(secret: string): Uint8Array {
  return createHash('sha256').update(secret).digest()
}

const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** A century: beyond it a typing error is likelier than a purpose, and dates stay far from where they overflow. */
const maxDurationSeconds = 36_525 * 86_400

/** Seconds of `30s`, `30m`, `12h`, `90d` or `2w`. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^([1-9][0-9]{0,9})([smhdw])$/.exec(text) ?? []
  const seconds = Number(count) * (unitSeconds[unit ?? ''] ?? Number.NaN)
  if (!(seconds <= maxDurationSeconds)) {
    throw new Refusal(
      'bad-request',
      `"${text}" is not a duration: write 30s, 30m, 12h, 90d or 2w, up to a century.`,
    )
  }
  return seconds
}
