import { Command } from 'commander'
import { type ImportReport, importPath } from '../admission/adopt.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'
import { printable } from './printable.ts'
import { counter } from './progress.ts'

interface ImportOptions extends DataOptions {
  json?: boolean
}

export function importCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('import'))
    .description(
      'take in the signatures of a lookaside docroot, such as /var/lib/containers/sigstore; a server may run',
    )
    .argument('<path>', 'the docroot, or one signature file')
    .option('--json', 'print a JSON document')
    .action(async (path: string, options: ImportOptions) => {
      const config = configOf(cli, options)
      const storage = cli.openStorage(config.data)
      const progress = counter('files')
      try {
        const admit = await cli.admission(storage, config)
        const report = await importPath(path, {
          admit,
          storage,
          places: 'by-claim',
          onProgress: progress.update,
        })
        progress.stop()
        if (options.json) printJson(report)
        else tell(report)
        ends(report.refused.length ? exit.no : exit.done)
      } finally {
        progress.stop()
        await storage.close()
      }
    })
}

function tell(report: ImportReport): void {
  const { added, present, refused, warnings } = report
  for (const { path, code, detail } of refused) print(printable(`left out ${path}: ${code}: ${detail}`))
  for (const { path, warning } of warnings) note(printable(`${path}: ${warning}`))
  print(`${added} added, ${present} already there, ${refused.length} left out`)
}
