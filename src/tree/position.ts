import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, placeFile, syncFolder } from '../durable/durable.ts'
import type { Position } from '../storage/storage.ts'
import type { Tree } from './tree.ts'

/** It lies in the tree, so that who removes the tree removes it too, and all is written again. No repository is called so. */
export const positionFile = '.position'

/** How far a tree has come: everything up to a version of what is served is on disk. The log says which database that is. */
export interface TreePosition extends Position {
  version: number
}

/** How far the tree has come; null where it does not say, and anything may lie in it. */
export async function readPosition(tree: Tree): Promise<TreePosition | null> {
  try {
    const { seq, hash, version } = JSON.parse(
      await readFile(join(tree.root, positionFile), 'utf8'),
    ) as Partial<TreePosition>
    if (!isWhole(seq) || typeof hash !== 'string') return null
    // One that was written before there were versions.
    return { seq, hash, version: isWhole(version) ? version : 0 }
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** To be called only when everything up to there is on disk. */
export async function writePosition(tree: Tree, position: TreePosition): Promise<void> {
  await makeFolder(tree.root)
  await placeFile(join(tree.root, positionFile), `${JSON.stringify(position)}\n`, tree.staging)
  await syncFolder(tree.root)
}
