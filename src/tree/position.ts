import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, placeFile, syncFolder } from '../durable/durable.ts'
import type { Position } from '../storage/storage.ts'
import type { Tree } from './tree.ts'

/** It lies in the tree, so that who removes the tree removes it too, and all is written again. No repository is called so. */
export const positionFile = '.position'

/** How far the tree has come; null where it does not say, and anything may lie in it. */
export async function readPosition(tree: Tree): Promise<Position | null> {
  try {
    const { seq, hash } = JSON.parse(
      await readFile(join(tree.root, positionFile), 'utf8'),
    ) as Partial<Position>
    return Number.isSafeInteger(seq) && typeof hash === 'string' ? { seq: seq as number, hash } : null
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** To be called only when everything up to there is on disk. */
export async function writePosition(tree: Tree, position: Position): Promise<void> {
  await makeFolder(tree.root)
  await placeFile(join(tree.root, positionFile), `${JSON.stringify(position)}\n`, tree.staging)
  await syncFolder(tree.root)
}
