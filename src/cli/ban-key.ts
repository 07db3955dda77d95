import { Command } from 'commander'
import { printable } from '../printable.ts'
import { Refusal } from '../refusal.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { problemError, type ServerClient, serverClient } from './server-client.ts'
import { onServer, type ServerOptions, serverAccess, uploadAccess } from './server-options.ts'
import { endOf, parseFingerprint, refused, tellWithdrawn, withdrawAll } from './withdrawn.ts'

interface BanOptions extends ServerOptions {
  reason?: string
  lift?: boolean
  list?: boolean
  json?: boolean
}

export function banKeyCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onServer(new Command('ban-key'))
    .description('refuse all that a key signs from now on, and withdraw what it has signed')
    .argument('[fingerprint]', 'of the key, or of its primary key, which stands for all of its subkeys')
    .option('--reason <text>', 'why, as everybody can read it in the log')
    .option('--lift', 'take it again; what was withdrawn stays so')
    .option('--list', 'print the keys that are banned, with when, by whom and why')
    .option('--json', 'print a JSON document')
    .action(async (text: string | undefined, { reason, lift, list, json, ...options }: BanOptions) => {
      if (list) {
        if (text !== undefined || lift || reason !== undefined)
          throw new Refusal('configuration', '--list is of all keys: it takes no fingerprint and no reason')
        return ends(await listBans(serverClient(serverAccess(cli.env, options)), json))
      }
      if (text === undefined)
        throw new Refusal('configuration', 'Name the key by its fingerprint, or --list those that are banned')
      const fingerprint = parseFingerprint(text)
      if (!lift && reason === undefined)
        throw new Refusal('configuration', 'Say why the key is banned: --reason TEXT')
      const send = serverClient(uploadAccess(cli.env, options, 'Banning a key'))
      return ends(lift ? await liftBan(send, fingerprint, json) : await ban(send, fingerprint, reason, json))
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
  if ('problem' in answer) {
    if (!answer.afterLost || answer.problem.code !== 'not-found') return endOf(refused(answer.problem))
    note('lookaside: the answer to an earlier attempt was lost; the key is not banned now')
  }
  if (json) printJson({ lifted: fingerprint })
  else print(`lifted ${fingerprint}`)
  return endOf(answer)
}

/** The document is that of the server: without the right to read who did what, neither that nor why. */
async function listBans(send: ServerClient, json: boolean | undefined): Promise<ExitCode> {
  const answer = await send({ method: 'GET', path: '/api/v1/banned-keys' })
  if ('problem' in answer) throw problemError(answer.problem)
  const { keys } = answer.document as { keys?: BannedKey[] }
  if (!Array.isArray(keys)) throw new Error('This is not a lookaside server: it does not list keys')
  if (json) printJson({ keys })
  else if (keys.length === 0) note('No key is banned.')
  for (const { fingerprint, time, actor, reason } of json ? [] : keys)
    print(printable(`${fingerprint}  ${time}  ${actor ?? '-'}  ${reason ?? '-'}`))
  return exit.done
}

interface BannedKey {
  fingerprint: string
  /** RFC 3339 */
  time: string
  actor: string | null
  reason: string | null
}
