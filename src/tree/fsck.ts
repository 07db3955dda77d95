import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { formatLocation, formatSlotPath, type Location } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { readSignature, type Signature } from '../signature/signature.ts'
import { chainHash, chainStart } from '../storage/chain.ts'
import type { Reading, Storage, StoredSignature } from '../storage/storage.ts'
import { layLocation, removeEmptyFolders, rescue } from './lay.ts'
import { readPosition } from './position.ts'
import { clearStaging, project } from './projector.ts'
import { directoryOf, type Tree, treeLease } from './tree.ts'
import { walk } from './walk.ts'

export type DamageKind =
  | 'database'
  | 'log'
  | 'blob'
  | 'hole'
  | 'missing-file'
  | 'different-file'
  | 'unknown-file'

export interface Damage {
  kind: DamageKind
  /** A path of the tree, or what of the database. */
  where: string
  detail: string
  repaired: boolean
}

export interface FsckReport {
  changes: number
  locations: number
  signatures: number
  /** Locations that a server, or a repair without one, has still to write: no damage. */
  pending: number
  damage: Damage[]
}

export interface FsckOptions {
  /** Rewrites the tree from the database, and moves what the database does not know to lost+found. */
  repair: boolean
  /** Without a tree (`tree.enabled: false`) only the database is checked. */
  tree: Tree | null
  /** Locations compared so far. */
  onProgress(done: number): void
}

const page = 500

/** How long a running server may take to rewrite what was asked of it. */
const repairMilliseconds = 60_000

/** Compares database and tree byte by byte, and the database with itself. A server may run meanwhile. */
export async function fsck(storage: Storage, { tree, repair, onProgress }: FsckOptions): Promise<FsckReport> {
  const report: FsckReport = { changes: 0, locations: 0, signatures: 0, pending: 0, damage: [] }
  const add = (kind: DamageKind, where: string, detail: string) =>
    report.damage.push({ kind, where, detail, repaired: false })

  for (const detail of await storage.integrity()) add('database', 'lookaside.db', detail)
  await checkLog(storage, report, add)
  await checkBlobs(storage, report, add)
  const broken = new Map<string, Location>()
  let after = 0
  for (;;) {
    const locations = await storage.locations(after, page)
    const last = locations.at(-1)
    if (!last) break
    after = last.id
    for (const { location } of locations) {
      const differences = await compare(storage, tree, location, add)
      if (differences === 'pending') report.pending++
      if (differences === 'differs') broken.set(formatLocation(location), location)
      report.locations++
    }
    onProgress(report.locations)
  }
  if (tree) {
    const unknown = await findUnknown(storage, tree, add)
    if (repair) await mend(storage, tree, [...broken.values()], unknown, report)
  }
  return report
}

type Add = (kind: DamageKind, where: string, detail: string) => void

/** Follows the chain of hashes from the first row. */
async function checkLog(storage: Reading, report: FsckReport, add: Add): Promise<void> {
  let previous = { seq: 0, hash: chainStart }
  for (;;) {
    const changes = await storage.changesAfter(previous.seq, page)
    if (!changes.length) break
    for (const change of changes) {
      if (change.seq !== previous.seq + 1)
        add('log', `change ${change.seq}`, `It follows change ${previous.seq}`)
      else if (chainHash(previous.hash, change) !== change.hash)
        add(
          'log',
          `change ${change.seq}`,
          'Its hash does not follow from it and the row before: one of them was altered',
        )
      previous = change
      report.changes++
    }
  }
  const head = await storage.head()
  if (head.seq > previous.seq)
    add('log', `change ${previous.seq + 1}`, 'It refers to a signature that is not there')
}

async function checkBlobs(storage: Reading, report: FsckReport, add: Add): Promise<void> {
  let after = 0
  for (;;) {
    const signatures = await storage.list({ after, limit: page })
    const last = signatures.at(-1)
    if (!last) return
    after = last.id
    for (const signature of signatures) {
      const { id, blob, sha256 } = signature
      if (hash(blob) !== sha256) add('blob', `signature ${id}`, `Its bytes do not have the SHA-256 ${sha256}`)
      else for (const field of misstated(signature)) add('blob', `signature ${id}`, field)
      report.signatures++
    }
  }
}

/** What the columns say and the blob does not: they were written from it. */
function misstated(stored: StoredSignature): string[] {
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

/** Of one location: the slots in the database without a hole, and each file as its slot. */
async function compare(
  storage: Reading & Pick<Storage, 'backlog'>,
  tree: Tree | null,
  location: Location,
  add: Add,
): Promise<'equal' | 'differs' | 'pending'> {
  const slots = await storage.slots(location)
  const found: [DamageKind, string, string][] = []
  for (const [index, { slot, sha256 }] of slots.entries()) {
    const where = formatSlotPath(location, slot)
    if (slot !== index + 1) add('hole', where, `Slot ${index + 1} is empty, which hides it`)
    if (!tree) continue
    const content = await read(join(directoryOf(tree, location), `signature-${slot}`))
    if (content === null) found.push(['missing-file', where, 'The tree lacks it'])
    else if (hash(content) !== sha256)
      found.push(['different-file', where, `The tree has other bytes than the database`])
  }
  if (!found.length) return 'equal'
  if (tree && (await isPending(storage, tree, location))) return 'pending'
  for (const damage of found) add(...damage)
  return 'differs'
}

/** Whether the projector has still to come to a location. */
async function isPending(
  storage: Reading & Pick<Storage, 'backlog'>,
  tree: Tree,
  location: Location,
): Promise<boolean> {
  const key = formatLocation(location)
  if (
    (await storage.backlog()).some((entry) => entry.error === null && formatLocation(entry.location) === key)
  )
    return true
  let seq = (await readPosition(tree))?.seq ?? 0
  for (;;) {
    const { locations, last } = await storage.touchedAfter(seq, page)
    if (locations.some((touched) => formatLocation(touched) === key)) return true
    if (last.seq === seq) return false
    seq = last.seq
  }
}

/** Files that no slot explains. A file is looked for in the database after it was seen: commits come before files. */
async function findUnknown(storage: Reading, tree: Tree, add: Add): Promise<string[]> {
  const unknown: string[] = []
  let key = ''
  let taken = new Set<number>()
  for await (const { path, slot } of walk(tree.root)) {
    if (slot) {
      if (formatLocation(slot.location) !== key || !taken.has(slot.slot)) {
        key = formatLocation(slot.location)
        taken = new Set((await storage.slots(slot.location)).map((held) => held.slot))
      }
      if (taken.has(slot.slot)) continue
    }
    add('unknown-file', path, 'The database does not know it')
    unknown.push(path)
  }
  return unknown
}

/** Writes the tree itself where no server does, else has the server write it. */
async function mend(
  storage: Storage,
  tree: Tree,
  broken: Location[],
  unknown: string[],
  report: FsckReport,
): Promise<void> {
  const repaired = (where: (path: string) => boolean) => {
    for (const damage of report.damage)
      if (damage.kind.endsWith('-file') && where(damage.where)) damage.repaired = true
  }
  for (const path of unknown) {
    await rescue(tree, join(tree.root, path))
    await removeEmptyFolders(dirname(join(tree.root, path)), tree.root)
    repaired((where) => where === path)
  }
  const lease = await storage.lease(treeLease)
  try {
    if (lease) await clearStaging(tree)
    for (const location of broken) {
      if (lease) await layLocation(storage, tree, location)
      else await storage.addToBacklog(location, null)
    }
    if (lease) {
      // What no server has come to write yet.
      const events = { onPosition: () => {}, onSetAside: () => {} }
      await project(storage, tree, events, { retry: true, stopped: () => false })
      report.pending = (await storage.backlog()).length
    }
  } finally {
    lease?.release()
  }
  const written = lease ? broken : await writtenByServer(storage, broken)
  const keys = new Set(written.map(formatLocation))
  repaired((where) => keys.has(dirname(where)))
}

/** Waits for the server that holds the lease; returns the locations that it wrote. */
async function writtenByServer(storage: Storage, asked: Location[]): Promise<Location[]> {
  const deadline = Date.now() + repairMilliseconds
  for (;;) {
    const left = new Set((await storage.backlog()).map(({ location }) => formatLocation(location)))
    const done = asked.filter((location) => !left.has(formatLocation(location)))
    if (done.length === asked.length || Date.now() > deadline) return done
    await wait(100)
  }
}

async function read(file: string): Promise<Uint8Array | null> {
  try {
    return await readFile(file)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
