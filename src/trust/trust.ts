import { readFile } from 'node:fs/promises'
import type { Threshold } from '../policy/gate.ts'
import { readPolicy } from '../policy/policy.ts'
import type { KeyName } from '../policy/report.ts'
import type { SignedBy } from '../policy/requirement.ts'
import { type Trust as PolicyTrust, type ReadKeys, type SignatureVerdict, trustIn } from '../policy/trust.ts'
import { Refusal } from '../refusal.ts'

export type { SignatureVerdict }

/** A policy, the thresholds of a gate, and the keyrings that both name, as their files were when they were read. */
export interface Trust extends PolicyTrust {
  /** The policy and every keyring file that is named. */
  files: string[]
}

/** Reads a policy; keyrings are read when a requirement is first asked about, each once. */
export async function loadTrust(policyFile: string, thresholds?: readonly Threshold[]): Promise<Trust> {
  const trust = trustIn(readPolicy(await readPolicyFile(policyFile)), readKeys, thresholds)
  return { ...trust, files: [...new Set([policyFile, ...trust.paths])] }
}

/**
 * Reads a policy and every keyring that it, or a threshold, names.
 * @throws Refusal policy, keyring
 */
export async function loadAllTrust(policyFile: string, thresholds?: readonly Threshold[]): Promise<Trust> {
  const trust = await loadTrust(policyFile, thresholds)
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
  const trust = trustIn({ default: [signedByAny], transports: new Map(), warnings: [] }, readKeys)
  return { ...trust, files: trust.paths }
}

const readKeys: ReadKeys = (path) => readFile(path)

function requireEnough({ place, atLeast }: Threshold, keys: KeyName[]): void {
  if (keys.length >= atLeast) return
  throw new Refusal('policy', `${place} asks for ${atLeast} keys, and has ${keys.length}.`)
}

async function readPolicyFile(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new Refusal('policy', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
