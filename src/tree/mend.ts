import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { formatLocation, type Location } from '../reference/tree-path.ts'
import { DamagedSignature } from '../storage/damaged.ts'
import type { CheckedTree } from './checked-tree.ts'
import type { Differences } from './compare.ts'
import { folderWriter, removeEmptyFolders, rescue } from './folder-writer.ts'
import { layLocation } from './lay.ts'
import { project } from './projector.ts'
import type { Tree } from './tree.ts'
import type { Writer } from './writer.ts'

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

  const asked = [...locations.values()].map(({ location }) => location)
  const lease = await storage.lease(checked.lease)
  let written = new Set<string>()
  try {
    if (lease) {
      const writer = folderWriter(tree)
      await writer.begin()
      for (const location of asked)
        if (await isLaid(checked, writer, location)) written.add(formatLocation(location))
      await writer.sync()
    } else written = await writtenByServer(checked, await checked.ask(asked))
  } finally {
    lease?.release()
  }
  for (const [key, { damage }] of locations) for (const each of damage) each.repaired = written.has(key)
}

/** False where the database itself has not what is to be written, which is told of there. */
async function isLaid({ storage }: CheckedTree, writer: Writer, location: Location): Promise<boolean> {
  try {
    await layLocation(storage, writer, location)
    return true
  } catch (error) {
    if (!(error instanceof DamagedSignature)) throw error
    return false
  }
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
  await removeEmptyFolders(dirname(join(tree.root, path)), tree.root)
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
