import { join } from 'node:path'
import type { Claim } from '../claim/claim.ts'
import { readRegularFile } from '../durable/regular-file.ts'
import { formatSlotPath, type Location, maxSlot } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { readSignature, type SignatureFormat } from '../signature/signature.ts'

/** A signature in a slot, whoever made it. */
export interface FoundSignature {
  slot: number
  blob: Uint8Array
  format: SignatureFormat
  claim: Claim
}

/** What is in a slot and is no signature. */
export interface UnreadableSlot {
  slot: number
  refusal: Refusal
}

/** Reads what is at a path of a tree (`team/app@sha256=…/signature-1`); null where there is nothing. */
export type ReadSlot = (path: string) => Promise<Uint8Array | null>

/** Of a tree on disk, such as `data/tree` or a copy of it. */
export function slotsIn(tree: string): ReadSlot {
  return async (path) => {
    try {
      return await readRegularFile(join(tree, path))
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return null
      throw new Refusal('configuration', `${join(tree, path)} cannot be read: ${message}`, { cause: error })
    }
  }
}

/** Walks the slots of a location as clients do, from the first to the one before the first that is missing. */
export async function findSignatures(
  location: Location,
  readSlot: ReadSlot,
): Promise<{ signatures: FoundSignature[]; unreadable: UnreadableSlot[] }> {
  const signatures: FoundSignature[] = []
  const unreadable: UnreadableSlot[] = []
  for (let slot = 1; slot <= maxSlot; slot++) {
    const blob = await readSlot(formatSlotPath(location, slot))
    if (!blob) break
    try {
      const { format, claim } = readSignature(blob, { sigstoreJson: true })
      signatures.push({ slot, blob, format, claim })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      unreadable.push({ slot, refusal: error })
    }
  }
  return { signatures, unreadable }
}
