import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { printable } from '../printable.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'
import { growingBar } from './progress.ts'

interface BackupOptions extends DataOptions {
  json?: boolean
}

export function backupCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('backup'))
    .description('copy the database, whole and of one moment, to a new file; a server may run')
    .argument('<file>', 'the file to make; one that is there is not replaced')
    .option('--json', 'print a JSON document')
    .action(async (file: string, options: BackupOptions) => {
      const config = configOf(cli, options)
      const progress = growingBar('pages')
      try {
        const backedUp = await cli.backUp(config.data, file, progress.update)
        progress.stop()
        if (options.json) printJson({ file, ...backedUp })
        else {
          const { head, bytes } = backedUp
          print(printable(`${file}: ${bytes} bytes, with everything up to change ${head.seq}`))
        }
        const tls = join(config.data, 'tls')
        if (config.tls.mode === 'auto' && existsSync(tls))
          note(printable(`The private CA is not in it: keep a copy of ${tls}, where keys are kept.`))
        ends(exit.done)
      } finally {
        progress.stop()
      }
    })
}
