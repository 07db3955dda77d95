import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { Location } from '../reference/tree-path.ts'
import { formatLocation } from '../reference/tree-path.ts'

/** Who holds it is the only one that writes the tree. */
export const treeLease = 'tree'

/** In a published directory: what is not part of the tree. No repository is called so, nor does a client ask for it. */
export const ownFolder = '.lookaside'

/** Where the picture of the database is on disk. All three are on one file system, so that files move by rename. */
export interface Tree {
  /** `<root>/<repository>@<algorithm>=<hex>/signature-<N>`: what any web server, rsync or bucket can serve as it is. */
  root: string
  /** Files being written: a reader of the tree never sees one that is not whole. */
  staging: string
  /** What was found in the tree and no change of the log explains. Nothing is ever deleted from here. */
  lostAndFound: string
}

export function treeOf(dataFolder: string): Tree {
  return {
    root: join(dataFolder, 'tree'),
    staging: join(dataFolder, 'tmp'),
    lostAndFound: join(dataFolder, 'lost+found'),
  }
}

export function directoryOf(tree: Tree, location: Location): string {
  return join(tree.root, formatLocation(location))
}

/**
 * The first folder on the way to a location that is a symbolic link; null: there is none. Whoever can put one into the
 * tree must not have files elsewhere read, moved or written by it. The root itself may be one, which the operator made.
 */
export function linkTo({ root }: Tree, location: Location): string | null {
  let folder = root
  for (const part of formatLocation(location).split('/')) {
    folder = join(folder, part)
    try {
      if (lstatSync(folder).isSymbolicLink()) return folder
    } catch {
      // Nothing is there, or a file: there is nothing to be led to.
      return null
    }
  }
  return null
}
