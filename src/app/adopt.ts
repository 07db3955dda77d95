import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Admit } from '../admission/admit.ts'
import { adoptForeignTree } from '../admission/adopt.ts'
import type { Storage } from '../storage/storage.ts'
import { folderWriter } from '../tree/folder-writer.ts'
import { isForeign } from '../tree/projector.ts'
import { treeLease, treeOf } from '../tree/tree.ts'

/** Before the first request: what the tree has and an older or new database has not. */
export async function adopt(storage: Storage, dataFolder: string, admit: Admit, log: Logger): Promise<void> {
  const tree = treeOf(dataFolder)
  let lease = await storage.lease(treeLease)
  for (; !lease; lease = await storage.lease(treeLease)) {
    // Another process is at it, or writes a tree that is its own: what is not taken in yet must not be answered 404.
    if (!(await isForeign(storage, folderWriter(tree)))) return
    await wait(50)
  }
  try {
    const report = await adoptForeignTree(storage, tree, admit)
    if (!report) return
    const { added, present, refused } = report
    log.warn(
      { added, present, refused },
      'the tree was not of this database: its signatures were taken in, the rest is in lost+found',
    )
  } finally {
    lease.release()
  }
}
