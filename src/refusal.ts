/**
 * The one error a caller is meant to see. Everything else that is thrown is a fault of ours: it is logged whole and
 * shown as an opaque 500 (HTTP) or exit 3 (command line).
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  /** Of a 503 or 429: when it is worth trying again, where that is known. */
  readonly retrySeconds: number | undefined
  /** Of a signature that was not admitted: as much as was found out about it. */
  about: { repository?: string; digest?: string; identity?: string; sha256?: string } | undefined

  /** `detail` is one sentence for a person; it may quote hostile input and is escaped wherever it is shown. */
  constructor(code: RefusalCode, detail: string, options?: { cause?: unknown; retrySeconds?: number }) {
    super(detail, options)
    this.code = code
    this.retrySeconds = options?.retrySeconds
  }
}

/** Stable names: clients and scripts match on them. Their HTTP status and exit code are in `refusalStatus`. */
export type RefusalCode = keyof typeof refusalStatus

/** The HTTP status of each code. The command line derives its exit code from it in `cli/exit.ts`. */
export const refusalStatus = {
  // What cannot be read as a request.
  'bad-request': 400,
  'bad-reference': 400,
  'bad-digest': 400,
  'bad-pattern': 400,
  // Who asks.
  'no-credentials': 401,
  'bad-credentials': 401,
  'too-many-failures': 429,
  'not-allowed': 403,
  // Where.
  'not-found': 404,
  'method-not-allowed': 405,
  'body-timeout': 408,
  // The state of that place.
  'too-many-signatures': 409,
  withdrawn: 409,
  'key-banned': 409,
  'signature-exists': 409,
  'too-large': 413,
  // What is wrong with the blob.
  empty: 422,
  'not-openpgp': 422,
  'armor-invalid': 422,
  cleartext: 422,
  detached: 422,
  unsigned: 422,
  encrypted: 422,
  'multiple-signatures': 422,
  'unexpected-packet': 422,
  'one-pass-mismatch': 422,
  'signature-packet': 422,
  'trailing-data': 422,
  truncated: 422,
  'nested-compression': 422,
  'compression-unsupported': 422,
  'compression-invalid': 422,
  'inflated-too-large': 422,
  'sigstore-json': 422,
  'format-not-permitted': 422,
  'extension-signature': 422,
  // What is wrong with the claim.
  'claim-json': 422,
  'claim-duplicate-key': 422,
  'claim-unknown-key': 422,
  'claim-missing-key': 422,
  'claim-type': 422,
  'claim-digest': 422,
  'claim-reference': 422,
  'claim-optional': 422,
  // What is wrong with the manifest of an image.
  manifest: 422,
  // What is wrong with putting that claim there.
  'digest-mismatch': 422,
  'identity-mismatch': 422,
  'source-mismatch': 422,
  'not-trusted': 422,
  'registry-not-served': 422,
  'name-too-long': 422,
  // What is wrong with a bundle.
  'bundle-invalid': 422,
  'bundle-not-signed': 422,
  'bundle-removes-most': 422,
  'bundle-gap': 409,
  'bundle-older': 409,
  // What is wrong with a backup.
  'backup-invalid': 422,
  // Another machine.
  'registry-unreachable': 502,
  // The machine.
  busy: 503,
  'issuer-unreachable': 503,
  'disk-full': 507,
  // What keeps the program from starting.
  configuration: 500,
  'data-folder': 500,
  keyring: 500,
  policy: 500,
} as const
