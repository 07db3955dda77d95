import { createReadStream, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { findInBundle } from '../bundle/find.ts'
import type { Claim } from '../claim/claim.ts'
import { readRegularFile } from '../durable/regular-file.ts'
import { isArmored } from '../openpgp/armor.ts'
import type { SignedMessage } from '../openpgp/message.ts'
import {
  formatLocation,
  formatSlotPath,
  type Location,
  maxSlot,
  parseSlotPath,
} from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { readSignature, type SignatureFormat, type UnverifiedSigner } from '../signature/signature.ts'

/** A signature in a slot, whoever made it. */
export interface FoundSignature {
  slot: number
  /** The message alone, without the prefix that c/image knows it by. */
  blob: Uint8Array
  format: SignatureFormat
  claim: Claim
  message: SignedMessage | null
  signer: UnverifiedSigner | null
}

/** What is in a slot and is no signature. */
export interface UnreadableSlot {
  slot: number
  refusal: Refusal
  /** Clients do not look at the other slots then: it is nothing that they know the form of. */
  failsClients: boolean
}

/** Reads what is at a path of a tree (`team/app@sha256=…/signature-1`); null where there is nothing. */
export type ReadSlot = (path: string) => Promise<Uint8Array | null>

/** Of a tree on disk, such as `data/tree` or a copy of it. */
export function slotsIn(tree: string): ReadSlot {
  if (!statsOf(tree)?.isDirectory()) throw new Refusal('configuration', `${tree} is no folder`)
  return async (path) => {
    try {
      return readRegularFile(join(tree, path))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return null
      throw unreadable(join(tree, path), error)
    }
  }
}

/** Of a bundle: the signatures of a digest in their order, for as long as it is asked about the same one. */
export function slotsInBundle(file: string): ReadSlot {
  if (!statsOf(file)?.isFile()) throw new Refusal('configuration', `${file} is no file`)
  let found: { location: string; blobs: Uint8Array[] } | null = null
  return async (path) => {
    const place = parseSlotPath(path)
    if (place?.location.kind !== 'repository') return null
    const { name, digest } = place.location
    const location = formatLocation(place.location)
    if (found?.location !== location)
      found = { location, blobs: await findInBundle(contentOf(file), name, digest) }
    return found.blobs[place.slot - 1] ?? null
  }
}

/** @throws Refusal configuration, whatever it is that keeps the file from being read: waiting would not help */
async function* contentOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file)
  } catch (error) {
    throw unreadable(file, error)
  }
}

/** Undefined where there is nothing. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, cause: unknown): Refusal {
  return new Refusal('configuration', `${path} cannot be read: ${(cause as Error).message}`, { cause })
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
    const found = readSlotted(blob)
    if (found instanceof Refusal)
      unreadable.push({ slot, refusal: found, failsClients: unknownForms.has(found.code) })
    else signatures.push({ slot, ...found })
  }
  return { signatures, unreadable }
}

/** FromBlob of c/image (internal/signature/signature.go) gives up on these; what else is wrong is of one signature. */
const unknownForms = new Set(['empty', 'not-openpgp'])

/** Armor is taken from uploads; in a slot clients do not read it. */
function readSlotted(bytes: Uint8Array): Omit<FoundSignature, 'slot'> | Refusal {
  if (isArmored(bytes)) return new Refusal('not-openpgp', 'It is ASCII armor, which clients read in no slot.')
  try {
    const { blob, format, claim, message, signer } = readSignature(bytes, { sigstoreJson: true })
    return { blob, format, claim, message, signer }
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}
