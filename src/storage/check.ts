import { Refusal } from '../refusal.ts'
import { readSignature, type Signature } from '../signature/signature.ts'
import { chainHash, chainStart } from './chain.ts'
import { isIntact } from './damaged.ts'
import type { AddedSignature, Reading } from './storage.ts'

/** Of the database with itself. `database`: its files and rows; `log`: the chain of hashes; `blob`: a signature. */
export type DatabaseDamage = 'database' | 'log' | 'blob'

type Add = (kind: DatabaseDamage, where: string, detail: string) => void

export interface Checked {
  changes: number
  signatures: number
  /** False where SQLite, or the rules that no constraint holds, find something wrong: nothing else is to be measured by it. */
  isSound: boolean
  /** False where the database could not be read to its end. */
  isWhole: boolean
}

const page = 500

/** Reads the whole database, and tells of everything in it that contradicts the rest. */
export async function checkDatabase(storage: Reading, add: Add): Promise<Checked> {
  const unsound = await storage.integrity()
  for (const detail of unsound) add('database', 'lookaside.db', detail)
  const checked = { changes: 0, signatures: 0, isSound: !unsound.length }
  const isWhole = await asFarAsItGoes(checked, add, async () => {
    checked.changes = await checkLog(storage, add)
    checked.signatures = await checkSignatures(storage, add)
  })
  return { ...checked, isWhole }
}

/** Whether a check got to its end. What is found in a database that is not sound is told, whatever reading on ends with. */
export async function asFarAsItGoes(
  { isSound }: { isSound: boolean },
  add: Add,
  check: () => Promise<void>,
): Promise<boolean> {
  try {
    await check()
    return true
  } catch (error) {
    if (isSound) throw error
    add('database', 'lookaside.db', `Nothing more can be checked: ${(error as Error).message}`)
    return false
  }
}

/** Follows the chain of hashes from the first row; returns how many there are. */
async function checkLog(storage: Reading, add: Add): Promise<number> {
  let previous = { seq: 0, hash: chainStart }
  let count = 0
  for (;;) {
    const changes = await storage.changesAfter(previous.seq, page)
    if (!changes.length) break
    for (const change of changes) {
      const where = `change ${change.seq}`
      if (change.seq !== previous.seq + 1) add('log', where, `It follows change ${previous.seq}`)
      else if (chainHash(previous.hash, change) !== change.hash)
        add('log', where, 'Its hash does not follow from it and the row before: one of them was altered')
      previous = change
      count++
    }
  }
  const head = await storage.head()
  if (head.seq > previous.seq)
    add('log', `change ${previous.seq + 1}`, 'It refers to a signature that is not there')
  return count
}

async function checkSignatures(storage: Reading, add: Add): Promise<number> {
  let count = 0
  for (let after = 0; ; ) {
    const signatures = await storage.added(after, page)
    const last = signatures.at(-1)
    if (!last) return count
    after = last.id
    for (const signature of signatures) {
      for (const detail of misstated(signature)) add('blob', `signature ${signature.id}`, detail)
      count++
    }
  }
}

/** What the columns say and the blob does not: they were written from it. */
function misstated(stored: AddedSignature): string[] {
  if (!isIntact(stored)) return [`Its bytes do not have the SHA-256 ${stored.sha256}`]
  const parsed = parse(stored.blob)
  if (parsed instanceof Refusal) return [`It is no signature: ${parsed.message}`]
  const { claim, signer, ...read } = parsed
  const stated: [what: string, stored: unknown, read: unknown][] = [
    ['identity', stored.identity, read.identity],
    ['format', stored.format, read.format],
    ['digest', stored.digest, claim.digest],
    ['docker-reference', stored.dockerReference, claim.dockerReference],
    ['key id', stored.signer?.unverifiedKeyId, signer?.unverifiedKeyId],
    ['fingerprint', stored.signer?.unverifiedFingerprint, signer?.unverifiedFingerprint],
    ['creation time', stored.signer?.unverifiedCreated, signer?.unverifiedCreated],
    ['expiry', stored.signer?.unverifiedExpires, signer?.unverifiedExpires],
  ]
  return stated
    .filter(([, column, fact]) => column !== fact)
    .map(([what, column, fact]) => `The database says ${what} ${column}, the signature ${fact}`)
}

function parse(blob: Uint8Array): Signature | Refusal {
  try {
    return readSignature(blob, { sigstoreJson: true })
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}
