import { Command } from 'commander'
import { printable } from '../printable.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { operator } from './operator.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'
import { growingBar } from './progress.ts'

interface RestoreOptions extends DataOptions {
  json?: boolean
}

export function restoreCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('restore'))
    .description('check a backup, and put it in place of the database; no server may run')
    .argument('<file>', 'what `lookaside backup` has made')
    .option('--json', 'print a JSON document')
    .action(async (backup: string, options: RestoreOptions) => {
      const { data: dataFolder, tree } = configOf(cli, options)
      const progress = growingBar('pages')
      try {
        const restored = await cli.restore({
          dataFolder,
          backup,
          by: operator(),
          onPages: progress.update,
          onCheck() {
            progress.stop()
            if (process.stderr.isTTY) note('All of it is checked …')
          },
        })
        if (options.json) printJson({ data: dataFolder, ...restored })
        else {
          const { changes, signatures, kept } = restored
          print(printable(`${dataFolder}: ${signatures} signatures and ${changes} changes restored`))
          if (kept) {
            print(printable(`The database that was there is in ${kept}`))
            note('What was withdrawn, banned or revoked since the backup is not so any more: look there.')
          }
          if (tree.enabled) note('The next start takes in what the tree has and the backup has not.')
        }
        ends(exit.done)
      } finally {
        progress.stop()
      }
    })
}
