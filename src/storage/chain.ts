import { createHash } from 'node:crypto'
import type { Change } from './storage.ts'

/** What stands for the hash of the row before the first. */
export const chainStart = '0'.repeat(64)

/**
 * The hash of a change: SHA-256 over the 32 bytes of the hash before it and the JSON array of its fields, in this
 * order. An auditor can follow the chain with nothing but the rows (docs/log.md).
 */
export function chainHash(previous: string, change: Omit<Change, 'hash'>): string {
  const { seq, time, kind, signature, repository, digest, identity, sha256, actor, reason } = change
  return createHash('sha256')
    .update(Buffer.from(previous, 'hex'))
    .update(JSON.stringify([seq, time, kind, signature, repository, digest, identity, sha256, actor, reason]))
    .digest('hex')
}
