import { randomBytes } from 'node:crypto'
import { admission } from '../../src/admission/admit.ts'
import { parseDigest } from '../../src/reference/digest.ts'
import { formatLocation } from '../../src/reference/tree-path.ts'
import { commandLine } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { folderWriter } from '../../src/tree/folder-writer.ts'
import { project } from '../../src/tree/projector.ts'
import { treeLease, treeOf } from '../../src/tree/tree.ts'
import { newBlob as newBlobOf } from '../signing.ts'

export const signaturesPerDigest = 2

/** How many wait for one commit. */
const batch = 250

/** Of the value in the signature packet: makes the whole blob 1,180. */
const valueOctets = 822

/** A well-formed signature that no key has made, as long as those of real keys can get. */
export const newBlob = (digest: string) =>
  newBlobOf({ digest, reference: referenceOf(digest) }, { valueOctets })

/** As many repositories as two hexadecimal digits tell apart. */
const referenceOf = (digest: string) => `registry.example.com/team/app${digest.slice(-2)}:1.0`

export const newDigest = () => parseDigest(`sha256:${randomBytes(32).toString('hex')}`)

/**
 * Fills a data folder, unless it is filled, with digests of two signatures each, no two alike: as the server would, by
 * the log and then the tree. Returns the directories of the tree.
 */
export async function fillDataFolder(
  dataFolder: string,
  digests: number,
  onProgress: (done: number) => void,
): Promise<string[]> {
  const storage = openSqlite({ dataFolder })
  try {
    const admit = admission(storage, { digestViews: [], sigstoreJson: false })
    const principal = { name: 'bench', scopes: [{ action: 'admin' as const }] }
    const append = (digest: string) =>
      admit({
        bytes: newBlob(digest),
        principal,
        actor: 'bench',
        origin: commandLine,
        repository: null,
        digest: null,
      })
    const { seq } = await storage.head()
    for (let done = Math.ceil(seq / signaturesPerDigest); done < digests; done += batch) {
      const some = Array.from({ length: Math.min(batch, digests - done) }, newDigest)
      for (let slot = 1; slot <= signaturesPerDigest; slot++) await Promise.all(some.map(append))
    }
    await writeTree(dataFolder, storage, onProgress)
    return (await storage.locations(0, digests)).map(({ location }) => formatLocation(location))
  } finally {
    await storage.close()
  }
}

async function writeTree(
  dataFolder: string,
  storage: ReturnType<typeof openSqlite>,
  onProgress: (done: number) => void,
): Promise<void> {
  const lease = await storage.lease(treeLease)
  if (!lease) throw new Error(`${dataFolder} is in use`)
  const events = {
    onPosition: ({ seq }: { seq: number }) => onProgress(Math.floor(seq / signaturesPerDigest)),
    onSetAside: (_location: unknown, error: Error) => {
      throw error
    },
  }
  await project(storage, folderWriter(treeOf(dataFolder)), events, { retry: false, stopped: () => false })
  lease.release()
}
