import { Command } from 'commander'
import { Refusal } from '../refusal.ts'
import { type Cli, print, printJson } from './cli.ts'
import type { ExitCode } from './exit.ts'
import { type ServerClient, serverClient } from './server-client.ts'
import { onServer, type ServerOptions, uploadAccess } from './server-options.ts'
import { endOf, parseFingerprint, refused, tellWithdrawn, withdrawAll } from './withdrawn.ts'

interface BanOptions extends ServerOptions {
  reason?: string
  lift?: boolean
  json?: boolean
}

export function banKeyCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onServer(new Command('ban-key'))
    .description('refuse all that a key signs from now on, and withdraw what it has signed')
    .argument('<fingerprint>', 'of the key, or of its primary key, which stands for all of its subkeys')
    .option('--reason <text>', 'why, as everybody can read it in the log')
    .option('--lift', 'take it again; what was withdrawn stays so')
    .option('--json', 'print a JSON document')
    .action(async (text: string, { reason, lift, json, ...options }: BanOptions) => {
      const fingerprint = parseFingerprint(text)
      if (!lift && reason === undefined)
        throw new Refusal('configuration', 'Say why the key is banned: --reason TEXT')
      const send = serverClient(uploadAccess(cli.env, options, 'Banning a key'))
      ends(lift ? await liftBan(send, fingerprint, json) : await ban(send, fingerprint, reason, json))
    })
}

async function ban(
  send: ServerClient,
  fingerprint: string,
  reason: string | undefined,
  json: boolean | undefined,
): Promise<ExitCode> {
  const all = await withdrawAll(send, {
    first: { method: 'PUT', path: `/api/v1/banned-keys/${fingerprint}`, query: { reason } },
    rest: { method: 'DELETE', path: '/api/v1/signatures', query: { key: fingerprint, reason } },
  })
  if (all && json) printJson({ banned: fingerprint, withdrawn: all })
  else if (all) {
    print(`banned ${fingerprint}`)
    tellWithdrawn(all, false)
  }
  return endOf(all)
}

async function liftBan(
  send: ServerClient,
  fingerprint: string,
  json: boolean | undefined,
): Promise<ExitCode> {
  const answer = await send({ method: 'DELETE', path: `/api/v1/banned-keys/${fingerprint}` })
  if ('problem' in answer) return endOf(refused(answer.problem))
  if (json) printJson({ lifted: fingerprint })
  else print(`lifted ${fingerprint}`)
  return endOf(answer)
}
