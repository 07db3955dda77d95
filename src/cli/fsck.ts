import { Command } from 'commander'
import { type FsckReport, fsck } from '../tree/fsck.ts'
import { treeOf } from '../tree/tree.ts'
import { type Cli, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'
import { counter } from './progress.ts'

interface FsckOptions extends DataOptions {
  repair?: boolean
  json?: boolean
}

export function fsckCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('fsck'))
    .description('compare the database with itself and with the tree, byte by byte; a server may run')
    .option(
      '--repair',
      'write the tree again where it differs; what the database does not know goes to lost+found',
    )
    .option('--json', 'print a JSON document')
    .action(async (options: FsckOptions) => {
      const config = configOf(cli, options)
      const storage = cli.openStorage(config.data)
      const progress = counter('digests')
      try {
        const tree = config.tree.enabled ? treeOf(config.data) : null
        const report = await fsck(storage, {
          tree,
          repair: options.repair ?? false,
          onProgress: progress.update,
        })
        progress.stop()
        if (options.json) printJson(report)
        else tell(report)
        ends(report.damage.every(({ repaired }) => repaired) ? exit.done : exit.no)
      } finally {
        progress.stop()
        await storage.close()
      }
    })
}

function tell(report: FsckReport): void {
  const { changes, locations, signatures, pending, damage } = report
  for (const { kind, where, detail, repaired } of damage)
    print(`${kind}: ${where}: ${detail}${repaired ? ' (repaired)' : ''}`)
  print(
    `${changes} changes, ${signatures} signatures of ${locations} digests checked; ${damage.length} damaged`,
  )
  if (pending) print(`${pending} digests are still to be written to the tree by a running server`)
}
