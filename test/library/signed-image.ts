import { createPrivateKey, createPublicKey } from 'node:crypto'
import { createClaim } from '../../src/claim/claim.ts'
import { manifestDigest } from '../../src/claim/manifest.ts'
import { parseReference } from '../../src/reference/reference.ts'
import {
  certification,
  type ForgedKey,
  flag,
  forgeKey,
  forgeMessage,
  keyPacket,
  type Pair,
  subpacket,
  userIdPacket,
} from '../openpgp/forge.ts'
import { mpi } from '../openpgp/write.ts'

export interface Signer {
  userId: string
  key: ForgedKey
  /** The file with the public key. */
  keyring: Buffer
}

/** 2025-01-01, in seconds since 1970. */
export const keysMade = 1_735_689_600
export const signedAt = keysMade + 86_400

/** Who may sign: the same keys each time. */
export const build = signer('Build <build@example.com>', 1)
export const audit = signer('Audit <audit@example.com>', 2)
export const release = signer('Release <release@example.com>', 3)

export const manifest = Buffer.from(
  JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', layers: [] }),
)
export const digest = manifestDigest(manifest)
export const image = 'registry.example.com/team/app:1.0'

/** A signature by that key over the claim that the manifest is that image. */
export function signatureBy({ key }: Signer, reference = image): Buffer {
  const claim = createClaim({
    reference: parseReference(reference),
    digest,
    creator: 'test',
    timestamp: signedAt,
  })
  return forgeMessage(key, claim, { created: signedAt })
}

/** Images of the registry must be signed by each of them. */
export function policyOf(...signers: string[]): Buffer {
  const requirements = signers.map((keyPath) => ({ type: 'signedBy', keyType: 'GPGKeys', keyPath }))
  return Buffer.from(
    JSON.stringify({
      default: [{ type: 'reject' }],
      transports: { docker: { 'registry.example.com': requirements } },
    }),
  )
}

function signer(userId: string, seed: number): Signer {
  const key = forgeKey(ed25519From(Buffer.alloc(32, seed)), keysMade)
  const signature = certification(key, userId, {
    hashed: [subpacket(27, Buffer.of(flag.certify | flag.sign))],
  })
  return { userId, key, keyring: Buffer.concat([keyPacket(key), userIdPacket(userId), signature]) }
}

/** RFC 8410, section 7, and RFC 9580, section 9.2. */
function ed25519From(seed: Uint8Array): Pair {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const point = Buffer.concat([Buffer.of(0x40), Buffer.from(x as string, 'base64url')])
  return {
    algorithm: 22,
    privateKey,
    material: Buffer.concat([Buffer.from('092b06010401da470f01', 'hex'), mpi(point)]),
  }
}
