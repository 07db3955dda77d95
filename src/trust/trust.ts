import { readFile } from 'node:fs/promises'
import { watchFiles } from '../durable/watch.ts'
import { type Keyring, readKeyring } from '../openpgp/keyring.ts'
import { readMessage } from '../openpgp/message.ts'
import { verifyMessage } from '../openpgp/verdict.ts'
import type { Verdict } from '../policy/evaluate.ts'
import { type Policy, readPolicy } from '../policy/policy.ts'
import type { SignedBy } from '../policy/requirement.ts'
import { Refusal } from '../refusal.ts'

/** A policy and the keyrings it names, as their files were when they were read. */
export interface Trust {
  policy: Policy
  /** The policy and every keyring file it names. */
  files: string[]
  /** Sentences for the administrator. */
  warnings: string[]
  /**
   * What the keys of a requirement say of a signature in the simple-signing format.
   * @param now Unix milliseconds
   * @throws Refusal policy, keyring: where the requirement names keys that cannot be used
   */
  verify(blob: Uint8Array, requirement: SignedBy, now: number): Promise<SignatureVerdict>
  /**
   * Reads every keyring that the policy names.
   * @throws Refusal keyring
   */
  readAll(): Promise<void>
}

export interface SignatureVerdict extends Verdict {
  /** Seconds since 1970, as the signature says: so it is, where a key vouches for it. */
  created: number
  expires: number | null
}

/** Reads a policy; keyrings are read when a requirement is first asked about, each once. */
export async function loadTrust(policyFile: string): Promise<Trust> {
  return trustIn(readPolicy(await readInput('policy', policyFile)), [policyFile])
}

/**
 * Reads a policy and every keyring that it names.
 * @throws Refusal policy, keyring
 */
export async function loadAllTrust(policyFile: string): Promise<Trust> {
  const trust = await loadTrust(policyFile)
  await trust.readAll()
  return trust
}

/**
 * The trust in a policy file that follows it, and the keyrings it names, while they change. One that cannot be used any
 * more changes nothing, so that a slip never widens what is trusted; `onError` hears of it.
 * @throws Refusal policy, keyring: where it cannot be used from the start
 */
export async function followTrust(
  policyFile: string,
  { everyMs, onError }: { everyMs: number; onError(error: Error): void },
): Promise<{ current(): Trust; stop(): void }> {
  const read = () => loadAllTrust(policyFile)
  let trust = await read()
  const stop = watchFiles({
    files: () => trust.files,
    everyMs,
    read,
    take(changed) {
      trust = changed
    },
    onError,
  })
  return { current: () => trust, stop }
}

/** One keyring file, and nothing else to ask of an image: a signature by any of its keys that names the image. */
export function trustInKeys(keyringFiles: string[]): Trust {
  return trustIn({
    default: [
      {
        type: 'signedBy',
        place: '--keys',
        keyType: 'GPGKeys',
        keys: { paths: keyringFiles },
        signedIdentity: { type: 'matchRepoDigestOrExact' },
      },
    ],
    transports: new Map(),
    warnings: [],
  })
}

function trustIn(policy: Policy, policyFiles: string[] = []): Trust {
  const signedBy = [policy.default, ...(policy.transports.get('docker')?.values() ?? [])]
    .flat()
    .filter((requirement) => requirement.type === 'signedBy')
  const paths = signedBy.flatMap(({ keys }) => ('paths' in keys ? keys.paths : []))
  const keyrings = new Map<SignedBy, Promise<Keyring | null>>()
  const warnings = [...policy.warnings]
  const keyringOf = (requirement: SignedBy): Promise<Keyring | null> => {
    const known = keyrings.get(requirement)
    if (known) return known
    const keyring = readKeys(requirement).then((read) => {
      for (const warning of read?.warnings ?? []) warnings.push(`${requirement.place}: ${warning}`)
      return read
    })
    keyrings.set(requirement, keyring)
    return keyring
  }
  return {
    policy,
    files: [...new Set([...policyFiles, ...paths])],
    warnings,
    async readAll() {
      for (const requirement of signedBy) await keyringOf(requirement)
    },
    async verify(blob, requirement, now) {
      const message = readMessage(blob)
      const keyring = await keyringOf(requirement)
      const { unverifiedCreated: created, unverifiedExpires: expires } = message.signature
      if (!keyring) return { ...nobody, created, expires }
      const { verdict, key } = verifyMessage(message, keyring, Math.floor(now / 1000))
      return {
        status: verdict,
        fingerprint: key?.fingerprint ?? null,
        primaryFingerprint: key?.certificate.fingerprint ?? null,
        userId: key?.certificate.userIds[0] ?? null,
        created,
        expires,
      }
    },
  }
}

const nobody: Verdict = { status: 'unknown-key', fingerprint: null, primaryFingerprint: null, userId: null }

/** Null where the requirement names no key at all: nothing meets it. */
async function readKeys({ keys, place }: SignedBy): Promise<Keyring | null> {
  const files =
    'data' in keys
      ? [keys.data].filter(({ length }) => length)
      : await Promise.all(keys.paths.map((path) => readInput('keyring', path)))
  if (!files.length) return null
  try {
    return await readKeyring(...files)
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal(cause.code, `${place}: ${cause.message}`, { cause })
  }
}

async function readInput(code: 'policy' | 'keyring', file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new Refusal(code, `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
