import { stateAt } from '../openpgp/key-state.ts'
import { type Certificate, type Keyring, readKeyring } from '../openpgp/keyring.ts'
import { type CheckFunction, verifyMessage } from '../openpgp/verdict.ts'
import { Refusal } from '../refusal.ts'
import type { Signature } from '../signature/signature.ts'
import type { Verdict } from './evaluate.ts'
import type { KeyedRequirement, Threshold } from './gate.ts'
import type { Policy } from './policy.ts'
import type { KeyName } from './report.ts'

/**
 * A policy, the thresholds of a gate, and the keys that both name. Keyrings are read when a requirement is first asked
 * about, each once: where the files change, a new one is to be made.
 */
export interface Trust {
  policy: Policy
  thresholds: readonly Threshold[]
  /** Of the keyrings that these name, each once, as they name them. */
  paths: string[]
  /** Sentences for the administrator, of the policy and of the keyrings that were read; they may quote hostile input. */
  warnings: string[]
  /**
   * What the keys of a requirement, and no others, say of a signature in the simple-signing format.
   * @param now Unix milliseconds
   * @param check may know results from before
   * @throws Refusal policy, keyring: where the requirement names keys that cannot be used
   */
  verify(
    signature: Pick<Signature, 'message'>,
    requirement: KeyedRequirement,
    now: number,
    check?: CheckFunction,
  ): Promise<SignatureVerdict>
  /**
   * The primary keys of a requirement; with `now`, in Unix milliseconds, those whose signatures can count then.
   */
  keysOf(requirement: KeyedRequirement, now?: number): Promise<KeyName[]>
  /** Every keyring, as it was read: read as one, they are all the keys that are trusted with something. */
  keyrings(): Promise<Uint8Array[]>
}

/** What the keys of one requirement say of a signature, as of the moment that was asked about. */
export interface SignatureVerdict extends Verdict {
  /** Seconds since 1970; null if it does not expire. */
  expires: number | null
}

/** Gives the octets of the keyring file at a path, as the policy has it. Whatever it throws becomes a Refusal keyring. */
export type ReadKeys = (path: string) => Uint8Array | Promise<Uint8Array>

/** Makes one keyring of files. */
export type KeyringOf = (files: readonly Uint8Array[]) => Promise<Keyring>

/**
 * Makes a trust of a policy that was read. Nothing is asked of `readKeys` yet, and nothing refused.
 * @param thresholds what a gate asks beside the policy
 * @param keyringOf may know keyrings from before
 */
export function trustIn(
  policy: Policy,
  readKeys: ReadKeys,
  thresholds: readonly Threshold[] = [],
  keyringOf: KeyringOf = (files) => readKeyring(...files),
): Trust {
  const signedBy = [policy.default, ...(policy.transports.get('docker')?.values() ?? [])]
    .flat()
    .filter((requirement) => requirement.type === 'signedBy')
  const keyed: KeyedRequirement[] = [...signedBy, ...thresholds]
  const read = new Map<KeyedRequirement, Promise<KeysOfOne | null>>()
  const warnings = [...policy.warnings]
  const keysFor = (requirement: KeyedRequirement): Promise<KeysOfOne | null> => {
    const known = read.get(requirement)
    if (known) return known
    const keys = readKeysOf(requirement, readKeys, keyringOf).then((found) => {
      for (const warning of found?.keyring.warnings ?? []) warnings.push(`${requirement.place}: ${warning}`)
      return found
    })
    read.set(requirement, keys)
    return keys
  }
  return {
    policy,
    thresholds,
    paths: [...new Set(keyed.flatMap(({ keys }) => ('paths' in keys ? keys.paths : [])))],
    warnings,
    async verify({ message }, requirement, now, check) {
      if (!message) throw new TypeError('only signatures in the simple-signing format are verified here')
      const keys = await keysFor(requirement)
      const { unverifiedCreated: created, unverifiedExpires: expires } = message.signature
      if (!keys) return { ...nobody, created, expires }
      const { verdict, key } = verifyMessage(message, keys.keyring, Math.floor(now / 1000), check)
      return {
        status: verdict,
        fingerprint: key?.fingerprint ?? null,
        primaryFingerprint: key?.certificate.fingerprint ?? null,
        userId: key?.certificate.userIds[0] ?? null,
        created,
        expires,
      }
    },
    async keysOf(requirement, now) {
      const certificates = (await keysFor(requirement))?.keyring.certificates ?? []
      const isOfUse = ({ keys }: Certificate) =>
        now === undefined || keys.some(({ timeline }) => stateAt(timeline, now / 1000) === 'good')
      return certificates
        .filter(isOfUse)
        .map(({ fingerprint, userIds }) => ({ fingerprint, userId: userIds[0] ?? null }))
    },
    async keyrings() {
      const files: Uint8Array[] = []
      for (const requirement of keyed) files.push(...((await keysFor(requirement))?.files ?? []))
      return files
    },
  }
}

const nobody = { status: 'unknown-key', fingerprint: null, primaryFingerprint: null, userId: null } as const

interface KeysOfOne {
  keyring: Keyring
  files: Uint8Array[]
}

/** Null where the requirement names no key at all: nothing meets it. */
async function readKeysOf(
  { keys, place }: KeyedRequirement,
  readKeys: ReadKeys,
  keyringOf: KeyringOf,
): Promise<KeysOfOne | null> {
  const files =
    'data' in keys
      ? [keys.data].filter(({ length }) => length)
      : await Promise.all(keys.paths.map((path) => readFile(path, readKeys)))
  if (!files.length) return null
  try {
    return { keyring: await keyringOf(files), files }
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    const where = 'paths' in keys ? `${place} (${keys.paths.join(', ')})` : place
    throw new Refusal(cause.code, `${where}: ${cause.message}`, { cause })
  }
}

async function readFile(path: string, readKeys: ReadKeys): Promise<Uint8Array> {
  try {
    return await readKeys(path)
  } catch (cause) {
    throw new Refusal('keyring', `${path} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
