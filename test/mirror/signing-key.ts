import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MirrorConfig } from '../../src/config/config.ts'
import {
  certification,
  ed25519Pair,
  forgeKey,
  forgeMessage,
  keyPacket,
  userIdPacket,
} from '../openpgp/forge.ts'
import { claimOf, exampleDigest } from '../signing.ts'

const created = 1_700_000_000

export interface SigningKey {
  fingerprint: string
  /** A policy.json that trusts this key for every image, and no other one. */
  policy: string
  /** A signature by it; `tag` makes one that is none of the others. */
  sign(tag: string | number, claim?: { repository?: string; digest?: string }): Buffer
}

/** A key, and a policy in that folder that trusts it. */
export function newSigningKey(folder: string, name: string): SigningKey {
  const key = forgeKey(ed25519Pair(), created)
  const keyPath = join(folder, `${name}.pgp`)
  writeFileSync(keyPath, Buffer.concat([keyPacket(key), userIdPacket(name), certification(key, name)]))
  const policy = join(folder, `${name}.json`)
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath }] }))
  return {
    fingerprint: key.fingerprint,
    policy,
    sign(tag, { repository = 'team/app', digest = exampleDigest() } = {}) {
      const reference = `registry.example.com/${repository}:${tag}`
      return forgeMessage(key, Buffer.from(claimOf({ reference, digest })))
    },
  }
}

/** Of a server with this origin, or of whatever else is there. */
export function mirrorOf(
  origin: string,
  { policy }: Pick<SigningKey, 'policy'>,
  more: Partial<MirrorConfig> = {},
): MirrorConfig {
  return { from: `${origin}/signatures`, prefix: '', policy, everySeconds: 1, ...more }
}
