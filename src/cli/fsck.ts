import { Command } from 'commander'
import type { Admit } from '../admission/admit.ts'
import { adoptForeignTree } from '../admission/adopt.ts'
import { asFileTrouble } from '../durable/file-trouble.ts'
import { printable } from '../printable.ts'
import type { Storage } from '../storage/storage.ts'
import { type FsckReport, fsck } from '../tree/fsck.ts'
import { type Tree, treeLease, treeOf } from '../tree/tree.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'
import { counter } from './progress.ts'

interface FsckOptions extends DataOptions {
  repair?: boolean
  json?: boolean
}

export function fsckCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('fsck'))
    .description(
      'compare the database with itself, the tree and what is published, byte by byte; a server may run',
    )
    .option(
      '--repair',
      'write the tree again where it differs; what the database does not know goes to lost+found',
    )
    .option('--json', 'print a JSON document')
    .action(async (options: FsckOptions) => {
      const config = configOf(cli, options)
      const storage = cli.openStorage(config.data, { create: false })
      const progress = counter('digests')
      try {
        const tree = config.tree.enabled ? treeOf(config.data) : null
        const report = await fsck(storage, {
          tree,
          publish: config.publish.map(({ directory }) => directory),
          repair: options.repair ?? false,
          adopt: async () => {
            if (tree) await adopt(storage, tree, await cli.admission(storage, config))
          },
          onProgress: progress.update,
        })
        progress.stop()
        if (options.json) printJson(report)
        else tell(report)
        if (options.repair && report.damage.some(({ kind }) => kind === 'database'))
          note(
            'Nothing is repaired by a database that is damaged itself: docs/recovery.md says what to do with it',
          )
        ends(report.repaired === report.damaged ? exit.done : exit.no)
      } catch (error) {
        throw asFileTrouble(config.data, error) ?? error
      } finally {
        progress.stop()
        await storage.close()
      }
    })
}

/** What another database wrote into the tree is taken in before anything there is written over or moved away. */
async function adopt(storage: Storage, tree: Tree, admit: Admit): Promise<void> {
  const lease = await storage.lease(treeLease)
  if (!lease) return
  try {
    const report = await adoptForeignTree(storage, tree, admit)
    if (!report) return
    const { added, present, refused } = report
    note(
      `The tree was not of this database: ${added} signatures were taken in, ${present} were there, ${refused.length} files are in lost+found`,
    )
  } finally {
    lease.release()
  }
}

function tell(report: FsckReport): void {
  const { changes, locations, signatures, pending, damage, damaged } = report
  for (const { kind, where, detail, repaired } of damage)
    print(printable(`${kind}: ${where}: ${detail}${repaired ? ' (repaired)' : ''}`))
  if (damaged > damage.length) print(`and ${damaged - damage.length} more`)
  print(`${changes} changes, ${signatures} signatures of ${locations} digests checked; ${damaged} damaged`)
  if (pending) print(`${pending} digests are still to be written: a running server does it, or --repair`)
}
