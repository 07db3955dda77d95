import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { formatLocation, type Location } from '../reference/tree-path.ts'
import type { CheckedTree } from './checked-tree.ts'
import type { Differences } from './compare.ts'
import { folderWriter, removeEmptyFolders, rescue } from './folder-writer.ts'
import { layLocation } from './lay.ts'
import { project } from './projector.ts'
import type { Tree } from './tree.ts'

/** How long a running server may take to rewrite what was asked of it: it looks every 30 seconds at the latest. */
const repairMilliseconds = 60_000

/**
 * Writes the tree itself where no server does, else has the server write it. Says of each damage whether it is repaired,
 * and what is still pending.
 */
export async function mend(checked: CheckedTree, differences: Differences): Promise<void> {
  const { tree, storage } = checked
  const { locations, others } = differences
  for (const { path, damage } of others) damage.repaired = await moveAway(tree, path)

  const asked = [...locations.values()].map(({ location }) => location)
  const lease = await storage.lease(checked.lease)
  let written = new Set(locations.keys())
  try {
    if (lease) {
      const writer = folderWriter(tree)
      await writer.begin()
      for (const location of asked) await layLocation(storage, writer, location)
      // What no server has come to write yet.
      const events = { onPosition: () => {}, onSetAside: () => {} }
      await project(storage, writer, events, { retry: true, stopped: () => false })
      differences.pending = (await storage.backlog()).length
    } else if (asked.length) {
      written = await writtenByServer(checked, await checked.ask(asked))
    }
  } finally {
    lease?.release()
  }
  for (const [key, { damage }] of locations) for (const each of damage) each.repaired = written.has(key)
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
