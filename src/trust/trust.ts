import { readFoundFile, readNamedFile } from '../durable/limited-file.ts'
import { maxKeyringSize } from '../openpgp/keyring-file.ts'
import type { Threshold } from '../policy/gate.ts'
import { readPolicy } from '../policy/policy.ts'
import type { KeyName } from '../policy/report.ts'
import type { SignedBy } from '../policy/requirement.ts'
import { type KeyringOf, type Trust as PolicyTrust, type SignatureVerdict, trustIn } from '../policy/trust.ts'
import { Refusal } from '../refusal.ts'

export type { SignatureVerdict }

/** A policy, the thresholds of a gate, and the keyrings that both name, as their files were when they were read. */
export interface Trust extends PolicyTrust {
  /** The policy and every keyring file that is named. */
  files: string[]
}

export interface LoadOptions {
  thresholds?: readonly Threshold[]
  /** Makes a keyring of files; one that was made of the same files before may be given again. */
  keyringOf?: KeyringOf
  /** Whether a pipe will do, as of a user's shell. Whoever reads files again and again waits for no pipe. */
  pipes?: boolean
}

/** Reads a policy; keyrings are read when a requirement is first asked about, each once. */
export async function loadTrust(
  policyFile: string,
  { thresholds, keyringOf, pipes = false }: LoadOptions = {},
): Promise<Trust> {
  const read = pipes ? readNamed : readRegular
  const policy = readPolicy(await readPolicyFile(policyFile, read))
  const trust = trustIn(policy, read, thresholds, keyringOf)
  return { ...trust, files: [...new Set([policyFile, ...trust.paths])] }
}

/**
 * Reads a policy and every keyring that it, or a threshold, names.
 * @throws Refusal policy, keyring
 */
export async function loadAllTrust(policyFile: string, options?: LoadOptions): Promise<Trust> {
  const trust = await loadTrust(policyFile, options)
  await trust.keyrings()
  for (const threshold of trust.thresholds) requireEnough(threshold, await trust.keysOf(threshold))
  return trust
}

/** One keyring file, and nothing else to ask of an image: a signature by any of its keys that names the image. */
export function trustInKeys(keyringFiles: string[]): Trust {
  const signedByAny: SignedBy = {
    type: 'signedBy',
    place: '--keys',
    keyType: 'GPGKeys',
    keys: { paths: keyringFiles },
    signedIdentity: { type: 'matchRepoDigestOrExact' },
  }
  const trust = trustIn({ default: [signedByAny], transports: new Map(), warnings: [] }, readNamed)
  return { ...trust, files: trust.paths }
}

const readNamed = (path: string): Promise<Uint8Array> => readNamedFile(path, maxKeyringSize)

async function readRegular(path: string): Promise<Uint8Array> {
  const bytes = await readFoundFile(path, maxKeyringSize)
  if (bytes) return bytes
  throw new Error('it is no regular file')
}

function requireEnough({ place, atLeast }: Threshold, keys: KeyName[]): void {
  if (keys.length >= atLeast) return
  throw new Refusal('policy', `${place} asks for ${atLeast} keys, and has ${keys.length}.`)
}

async function readPolicyFile(file: string, read: typeof readNamed): Promise<Uint8Array> {
  try {
    return await read(file)
  } catch (cause) {
    throw new Refusal('policy', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
