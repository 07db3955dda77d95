import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeUnsynced } from '../durable/durable.ts'
import { formatLocation, formatSlotPath, type Location, maxSlot } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import type { Storage } from '../storage/storage.ts'
import { byDigest, locationsOf, type Subjects } from './by-digest.ts'

/** What was written to a folder for a web server, or to a file for a cluster. */
export interface Written {
  digests: number
  signatures: number
  /** A sentence each. */
  warnings: string[]
}

/** The cluster version operator asks for no more (library-go, pkg/verify/store/sigstore). */
const maxSlotOfCluster = 9

/**
 * Writes what is served, as the tree of the data folder has it, with the times of its slots.
 * @throws Refusal configuration where the folder is not empty; errors of the file system
 */
export async function writeRepositories(
  storage: Pick<Storage, 'locations' | 'slots'>,
  subjects: Subjects,
  folder: string,
): Promise<Written> {
  await requireEmpty(folder)
  const written: Written = { digests: 0, signatures: 0, warnings: [] }
  for await (const location of locationsOf(storage, subjects)) {
    const live = (await storage.slots(location)).filter(({ leaves }) => leaves === null)
    if (live.length) makeUnsynced(join(folder, formatLocation(location)))
    for (const [index, { blob, modified }] of live.entries()) {
      const file = join(folder, formatSlotPath(location, index + 1))
      await writeFile(file, blob, { flag: 'wx' })
      await utimes(file, modified, modified)
    }
    written.digests += Math.min(live.length, 1)
    written.signatures += live.length
  }
  return written
}

/**
 * Writes what is served as a digest view has it, from all repositories together: `<base>/sha256=<hex>/signature-N`.
 * @throws Refusal configuration where the folder is not empty; errors of the file system
 */
export async function writeDigests(
  storage: Pick<Storage, 'locations' | 'list'>,
  subjects: Subjects,
  { folder, base }: { folder: string; base: string },
): Promise<Written> {
  await requireEmpty(folder)
  const written: Written = { digests: 0, signatures: 0, warnings: [] }
  for await (const { digest, signatures, leftOut } of byDigest(storage, subjects)) {
    if (leftOut) written.warnings.push(leftOutOf(digest, leftOut))
    if (!signatures.length) continue
    if (signatures.length > maxSlotOfCluster)
      written.warnings.push(
        `${digest} has ${signatures.length} signatures: OpenShift reads the first ${maxSlotOfCluster}`,
      )
    if (signatures.length > maxSlot)
      written.warnings.push(`${digest}: those after ${maxSlot} are left out, clients fail at more`)
    const location: Location = { kind: 'view', name: base, digest }
    makeUnsynced(join(folder, formatLocation(location)))
    for (const [index, { blob }] of signatures.slice(0, maxSlot).entries()) {
      await writeFile(join(folder, formatSlotPath(location, index + 1)), blob, { flag: 'wx' })
      written.signatures++
    }
    written.digests++
  }
  return written
}

export function leftOutOf(digest: string, count: number): string {
  return `${digest}: ${count} in the sigstore format are left out, which nobody reads by digest`
}

/** It is made where it is missing. */
async function requireEmpty(folder: string): Promise<void> {
  let names: string[]
  try {
    makeUnsynced(folder)
    names = await readdir(folder)
  } catch (cause) {
    throw new Refusal('configuration', `${folder} is no folder to write to: ${(cause as Error).message}`, {
      cause,
    })
  }
  if (names.length)
    throw new Refusal('configuration', `${folder} is not empty: signatures that are gone would stay in it`)
}
