import { Command } from 'commander'
import { printable } from '../printable.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import type { ExitCode } from './exit.ts'
import { serverClient } from './server-client.ts'
import { onServer, type ServerOptions, uploadAccess } from './server-options.ts'
import { endOf, parseId, refused } from './withdrawn.ts'

export function reinstateCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onServer(new Command('reinstate'))
    .description('let a withdrawn signature back in, if the policy of the server still takes it')
    .argument('<id>', 'its number, as it was listed and as it is in the log')
    .requiredOption('--reason <text>', 'why, as everybody can read it in the log')
    .option('--json', 'print a JSON document')
    .action(
      async (
        id: string,
        { reason, json, ...options }: ServerOptions & { reason: string; json?: boolean },
      ) => {
        const path = `/api/v1/signatures/${parseId(id)}/reinstate`
        const send = serverClient(uploadAccess(cli.env, options, 'Reinstating'))
        const answer = await send({ method: 'POST', path, query: { reason } })
        const document = 'problem' in answer ? refused(answer.problem) : answer.document
        if (document) tell(document, json)
        ends(endOf(document))
      },
    )
}

function tell(document: Record<string, unknown>, json: boolean | undefined): void {
  if (json) {
    printJson(document)
    return
  }
  const { url, warnings } = document
  if (typeof url !== 'string')
    throw new Error('This is not a lookaside server: it does not say where the signature is')
  print(`reinstated ${printable(url)}`)
  for (const warning of Array.isArray(warnings) ? warnings : []) note(printable(String(warning)))
}
