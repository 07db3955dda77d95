import { createHash } from 'node:crypto'
import { lstat, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Principal } from '../access/principal.ts'
import { readRegularFile } from '../durable/regular-file.ts'
import type { Repository } from '../reference/repository.ts'
import { maxBlobBytes } from '../reference/tree-path.ts'
import { Refusal, type RefusalCode } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import { type AuditEntry, type By, commandLine } from '../storage/audit.ts'
import type { Storage } from '../storage/storage.ts'
import { folderWriter, removeEmptyFolders, rescue } from '../tree/folder-writer.ts'
import { beginning, isForeign } from '../tree/projector.ts'
import type { Tree } from '../tree/tree.ts'
import { type Found, walk } from '../tree/walk.ts'
import type { Admit } from './admit.ts'
import { isOfOneSignature } from './contribution.ts'

/** What became of each file of a docroot. Nothing is left out silently. */
export interface ImportReport {
  added: number
  present: number
  refused: { path: string; code: RefusalCode; detail: string }[]
  warnings: { path: string; warning: string }[]
}

export interface ImportOptions {
  admit: Admit
  storage: Pick<Storage, 'holds'>
  /**
   * `by-claim`: what lies where its claim says goes to the usual place of that claim, under the prefix of its registry;
   * a docroot has no prefixes. `as-found`: everything keeps its path.
   */
  places: 'by-claim' | 'as-found'
  onRefused?: (path: string) => Promise<void>
  onProgress?: (done: number) => void
}

/** Folders on the way at once: their signatures share commits. */
const concurrency = 64

/** Refusals of one import that the audit trail has one by one. */
const maxRecorded = 1000

const importer: Principal = { name: 'import', scopes: [{ action: 'admin' }] }

/**
 * Takes in the signatures of a lookaside docroot, as podman and skopeo write it, or of a single file. Signatures that
 * are here already stay as they are, whatever slot and bytes they have there.
 * @throws errors of the file system, and Refusal disk-full or busy; what is wrong with a single file is in the report
 */
export async function importPath(path: string, options: ImportOptions): Promise<ImportReport> {
  const report: ImportReport = { added: 0, present: 0, refused: [], warnings: [] }
  let done = 0
  const take = async (root: string, file: Found, isSlot: boolean) => {
    try {
      await takeFile(root, file, isSlot, options, report)
    } catch (error) {
      if (!isOfOneSignature(error)) throw error
      report.refused.push({ path: file.path, code: error.code, detail: error.message })
      await options.onRefused?.(file.path)
    }
    options.onProgress?.(++done)
  }

  if (!(await kindOf(path)).isDirectory()) {
    await take(dirname(path), { path: basename(path), slot: null }, false)
    return report
  }
  // Digest views come last: what they show lies, as a rule, in a repository of the same docroot as well.
  const views: Found[] = []
  const repositories = async function* () {
    for await (const file of walk(path)) {
      if (file.slot?.location.kind === 'view') views.push(file)
      else yield file
    }
  }
  await inFolders(repositories(), (file) => take(path, file, true))
  await inFolders(views.values(), (file) => take(path, file, true))
  report.refused.sort((a, b) => (a.path < b.path ? -1 : 1))
  return report
}

/** What the audit trail keeps of what an import left out; of very much, the rest is a number. */
export function importEntries(
  refused: readonly { path: string; code: string; detail: string }[],
  by: By,
): AuditEntry[] {
  const kept = refused.slice(0, maxRecorded)
  const entries: AuditEntry[] = kept.map(({ path, code, detail }) => {
    return { ...by, event: 'refused', code, detail: `${path}: ${detail}` }
  })
  const count = refused.length - kept.length
  return count > 0 ? [...entries, { ...by, event: 'left-out', count }] : entries
}

async function takeFile(
  root: string,
  { path, slot, error }: Found,
  isSlot: boolean,
  { admit, storage, places }: ImportOptions,
  report: ImportReport,
): Promise<void> {
  if (error) throw new Refusal('bad-request', `It cannot be read: ${error}`)
  if (isSlot && !slot)
    throw new Refusal(
      'bad-request',
      'It is not called <repository>@<algorithm>=<hex>/signature-<N>, or is no regular file',
    )
  const bytes = await readSlotFile(join(root, path))
  if (
    slot?.location.kind === 'view' &&
    (await storage.holds(createHash('sha256').update(bytes).digest('hex')))
  ) {
    report.present++
    return
  }
  const { outcome, warnings } = await admit({
    bytes,
    principal: importer,
    actor: importer.name,
    origin: { ...commandLine, door: places === 'as-found' ? 'tree' : 'command line' },
    repository:
      slot?.location.kind === 'repository' ? explicitPlace(slot.location.name, bytes, places) : null,
    digest: slot?.location.digest ?? null,
  })
  report[outcome]++
  for (const warning of warnings) report.warnings.push({ path, warning })
}

/** What is wrong with one file is no reason to leave out the others. */
async function readSlotFile(file: string): Promise<Uint8Array> {
  let bytes: Uint8Array | null
  try {
    const { size } = await lstat(file)
    if (size > maxBlobBytes)
      throw new Refusal('too-large', `It has ${size} bytes; no client reads more than ${maxBlobBytes}`)
    bytes = readRegularFile(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (!fileErrors.has(code ?? '')) throw error
    throw new Refusal('bad-request', `It cannot be read: ${message}`)
  }
  if (!bytes) throw new Refusal('bad-request', 'It is no regular file')
  return bytes
}

const fileErrors = new Set(['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EIO'])

async function kindOf(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    const { message } = error as Error
    throw new Refusal('configuration', `There is nothing to import: ${message}`, { cause: error })
  }
}

function explicitPlace(
  name: Repository,
  bytes: Uint8Array,
  places: ImportOptions['places'],
): Repository | null {
  if (places === 'as-found') return name
  try {
    const { claim } = readSignature(bytes, { sigstoreJson: true })
    return claim.reference.path === name ? null : name
  } catch {
    // Admission says what is wrong with it.
    return name
  }
}

/** One folder's files in their order, many folders at once. Nothing is under way any more when it returns or throws. */
async function inFolders(
  files: AsyncIterable<Found> | Iterable<Found>,
  take: (file: Found) => Promise<void>,
): Promise<void> {
  let running: Promise<void>[] = []
  let folder: Found[] = []
  const settle = async () => {
    const ends = await Promise.allSettled(running)
    running = []
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
  const start = (batch: Found[]) => {
    const taking = (async () => {
      for (const file of batch) await take(file)
    })()
    // It is told when all that were begun with it have ended, and must not end the process before.
    taking.catch(() => {})
    running.push(taking)
  }
  try {
    for await (const file of files) {
      const before = folder[0]
      if (before && dirname(before.path) !== dirname(file.path)) {
        start(folder)
        folder = []
        if (running.length >= concurrency) await settle()
      }
      folder.push(file)
    }
    start(folder)
  } finally {
    await settle()
  }
}

/**
 * Before anything is written over: if the tree is not of this database (an older copy was restored, or it was lost),
 * takes in what the tree has and the database has not, moves to lost+found what admission refuses, and renews the
 * epoch. The caller holds the lease of the tree.
 * @returns null where the tree is of this database
 */
export async function adoptForeignTree(
  storage: Storage,
  tree: Tree,
  admit: Admit,
): Promise<ImportReport | null> {
  const writer = folderWriter(tree)
  if (!(await isForeign(storage, writer))) return null
  await writer.begin()
  const report = await importPath(tree.root, {
    admit,
    storage,
    places: 'as-found',
    onRefused: async (path) => {
      // What cannot be moved stays where it is, in the report: no reason not to serve the rest.
      const file = join(tree.root, path)
      await rescue(tree, file)
        .then(() => removeEmptyFolders(dirname(file), tree.root))
        .catch(() => {})
    },
  })
  const by: By = { actor: importer.name, origin: { ...commandLine, door: 'tree' } }
  await storage.record(importEntries(report.refused, by))
  await storage.renewEpoch(by)
  await writer.setPosition(beginning)
  return report
}
