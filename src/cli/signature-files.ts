import { open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeUnsynced } from '../durable/durable.ts'
import { formatSlotPath, type Location, maxSlot } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { unwritable } from './unwritable.ts'

/**
 * Writes a file that must not be there yet.
 * @throws Refusal configuration, disk-full
 */
export async function writeNew(file: string, signature: Uint8Array): Promise<void> {
  if (!(await write(file, signature))) throw new Refusal('configuration', `${file} is there already (EEXIST)`)
}

/**
 * Adds a signature to a staging tree, as `push` takes it, in the first slot of its location that is free: other signers
 * may have been there before.
 * @returns its file
 * @throws Refusal configuration, disk-full
 */
export async function stage(tree: string, location: Location, signature: Uint8Array): Promise<string> {
  for (let slot = 1; slot <= maxSlot; slot++) {
    const file = join(tree, formatSlotPath(location, slot))
    if (slot === 1) makeFolderOf(file)
    if (await write(file, signature)) return file
  }
  throw new Refusal('configuration', `${tree} has ${maxSlot} signatures of ${location.digest} already`)
}

function makeFolderOf(file: string): void {
  const folder = dirname(file)
  try {
    makeUnsynced(folder)
  } catch (cause) {
    throw unwritable(`${folder} cannot be made`, cause)
  }
}

/** False where a file is there already. A signature that is cut short does not stay: it would take the place of the whole one. */
async function write(file: string, signature: Uint8Array): Promise<boolean> {
  try {
    await writeWhole(file, signature)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw unwritable(`${file} cannot be written`, error)
  }
}

async function writeWhole(file: string, signature: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    try {
      await handle.writeFile(signature)
    } finally {
      await handle.close()
    }
  } catch (error) {
    await rm(file, { force: true })
    throw error
  }
}
