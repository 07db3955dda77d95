import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { formatLocation, type Location } from '../reference/tree-path.ts'
import { DamagedDatabase } from '../storage/damaged.ts'
import type { CheckedTree } from './checked-tree.ts'
import type { Damage, Damaged, Differences } from './compare.ts'
import { folderWriter, removeEmptyFolders, rescue } from './folder-writer.ts'
import { layLocation } from './lay.ts'
import { project } from './projector.ts'
import type { Tree } from './tree.ts'

/** How long a running server may take to rewrite what was asked of it: it looks every 30 seconds at the latest. */
const repairMilliseconds = 60_000

/**
 * Mends what is damaged: writes the tree itself where no server does, else has the server write it. Says of each damage
 * whether it is repaired.
 */
export async function mend(checked: CheckedTree, { locations, others }: Differences): Promise<void> {
  const { tree, storage } = checked
  for (const { path, damage } of others) damage.repaired = await moveAway(tree, path)
  if (!locations.size) return

  const lease = await storage.lease(checked.lease)
  try {
    if (lease) await writeHere(checked, locations.values())
    else {
      const asked = [...locations.values()].map(({ location }) => location)
      const written = await writtenByServer(checked, await checked.ask(asked))
      for (const [key, { damage }] of locations) for (const each of damage) each.repaired = written.has(key)
    }
  } finally {
    lease?.release()
  }
}

async function writeHere({ tree, storage }: CheckedTree, locations: Iterable<Damaged>): Promise<void> {
  const writer = folderWriter(tree)
  await writer.begin()
  const laid: Damage[] = []
  for (const { location, damage } of locations) {
    try {
      await layLocation(storage, writer, location)
      laid.push(...damage)
    } catch (error) {
      // What the database itself has not, is told of there; one folder of another user is no reason to leave the others.
      if (error instanceof DamagedDatabase) continue
      if (!isOfFiles(error)) throw error
      for (const each of damage) each.detail += `, and it cannot be written: ${error.message}`
    }
  }
  await writer.sync()
  for (const each of laid) each.repaired = true
}

function isOfFiles(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

/** What no server has come to write yet. Returns how many locations are left; null: a server looks after it. */
export async function writeWhatIsLeft({ tree, storage, lease: name }: CheckedTree): Promise<number | null> {
  const lease = await storage.lease(name)
  if (!lease) return null
  try {
    const events = { onPosition: () => {}, onSetAside: () => {} }
    await project(storage, folderWriter(tree), events, { retry: true, stopped: () => false })
    return (await storage.backlog()).length
  } finally {
    lease.release()
  }
}

/** False for what cannot be moved, such as a folder of another user: it stays, and is told of each time. */
async function moveAway(tree: Tree, path: string): Promise<boolean> {
  try {
    await rescue(tree, join(tree.root, path))
  } catch {
    return false
  }
  // One that cannot be removed is no damage.
  await removeEmptyFolders(dirname(join(tree.root, path)), tree.root).catch(() => {})
  return true
}

/** Waits for the server that holds the lease; returns what it has written, by path. */
async function writtenByServer({ left }: CheckedTree, locations: readonly Location[]): Promise<Set<string>> {
  const asked = new Set(locations.map(formatLocation))
  const deadline = Date.now() + repairMilliseconds
  for (;;) {
    const written = asked.difference(new Set((await left()).map(({ location }) => formatLocation(location))))
    if (written.size === asked.size || Date.now() > deadline) return written
    await wait(100)
  }
}
