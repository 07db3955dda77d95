import { type Static, Type } from 'typebox'
import type { JsonObject } from '../claim/json.ts'
import { verdictNames } from '../openpgp/verdict.ts'
import { formatSlotPath } from '../reference/tree-path.ts'
import type { StoredSignature } from '../storage/storage.ts'
import { treePrefix } from './reads.ts'

export const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()])

export const SignatureDocument = Type.Object({
  id: Type.Integer({ description: 'The number of the change that added it' }),
  repository: Type.String(),
  digest: Type.String(),
  slot: Type.Integer(),
  url: Type.String(),
  sha256: Type.String({ description: 'Of the stored bytes' }),
  identity: Type.String({ description: 'The same for every form of one signature' }),
  size: Type.Integer({ description: 'Bytes' }),
  format: Type.String(),
  added: Type.String({ description: 'RFC 3339' }),
  claim: Type.Unknown({ description: 'The signed JSON document' }),
  signer: Nullable(
    Type.Object(
      {
        unverifiedKeyId: Type.String(),
        unverifiedFingerprint: Nullable(Type.String()),
        unverifiedCreated: Type.String({ description: 'RFC 3339' }),
        unverifiedExpires: Nullable(Type.String({ description: 'RFC 3339' })),
      },
      { description: 'What the signature says of itself; nobody has vouched for it' },
    ),
  ),
  verdict: Type.Enum([...verdictNames], {
    description: 'What the keys of the policy and of the gates say of it, as of now',
  }),
  key: Nullable(
    Type.Object(
      {
        fingerprint: Type.String(),
        primaryFingerprint: Type.String(),
        userId: Nullable(Type.String()),
      },
      { description: 'Whose verdict it is; null for `unknown-key`' },
    ),
  ),
  warnings: Type.Optional(Type.Array(Type.String())),
})
export type SignatureDocument = Static<typeof SignatureDocument>

/** `origin`: scheme and authority that clients use, without a trailing slash. */
export function signatureDocument(
  signature: StoredSignature,
  claim: JsonObject,
  origin: string,
): SignatureDocument {
  const { id, repository, digest, slot, sha256, identity, blob, format, added, signer, verdict, key } =
    signature
  return {
    id,
    repository,
    digest,
    slot,
    url: slotUrl(signature, origin),
    sha256,
    identity,
    size: blob.length,
    format,
    added: new Date(added).toISOString(),
    claim,
    signer: signer && {
      unverifiedKeyId: signer.unverifiedKeyId,
      unverifiedFingerprint: signer.unverifiedFingerprint,
      unverifiedCreated: date(signer.unverifiedCreated),
      unverifiedExpires: signer.unverifiedExpires === null ? null : date(signer.unverifiedExpires),
    },
    verdict,
    key: key && {
      fingerprint: key.fingerprint,
      primaryFingerprint: key.primaryFingerprint,
      userId: key.userId,
    },
  }
}

export function slotUrl({ repository, digest, slot }: StoredSignature, origin: string): string {
  return `${origin}/${treePrefix}${formatSlotPath({ kind: 'repository', name: repository, digest }, slot)}`
}

function date(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
