import { Command } from 'commander'
import { parseDigest } from '../reference/digest.ts'
import { parseRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import type { Cli } from './cli.ts'
import type { ExitCode } from './exit.ts'
import { type ServerRequest, serverClient } from './server-client.ts'
import { onServer, type ServerOptions, uploadAccess } from './server-options.ts'
import { endOf, parseFingerprint, parseId, tellWithdrawn, withdrawAll } from './withdrawn.ts'

interface WithdrawOptions extends ServerOptions {
  key?: string
  reason: string
  json?: boolean
}

export function withdrawCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onServer(new Command('withdraw'))
    .description('take signatures back: they are served no more, and refused from now on; again is harmless')
    .argument('[what]', 'ID of one, or REPOSITORY@DIGEST for all of an image; with --key, REPOSITORY')
    .option('--key <fingerprint>', 'all that name this key, or one of its subkeys if the server knows them')
    .requiredOption('--reason <text>', 'why, as everybody can read it in the log')
    .option('--json', 'print a JSON document')
    .action(async (what: string | undefined, { key, reason, json, ...options }: WithdrawOptions) => {
      const { path, query } = named(what, key)
      const send = serverClient(uploadAccess(cli.env, options, 'Withdrawing'))
      const request: ServerRequest = { method: 'DELETE', path, query: { ...query, reason } }
      const all = await withdrawAll(send, { first: request, rest: request })
      if (all) tellWithdrawn(all, json)
      ends(endOf(all))
    })
}

/** @throws Refusal configuration, bad-reference, bad-digest */
function named(what: string | undefined, key: string | undefined): Pick<ServerRequest, 'path' | 'query'> {
  const path = '/api/v1/signatures'
  if (key !== undefined) {
    const query = { key: parseFingerprint(key) }
    return { path, query: what === undefined ? query : { ...query, repository: parseRepository(what) } }
  }
  const at = what?.indexOf('@') ?? -1
  if (what === undefined || (at < 0 && !/^[0-9]+$/.test(what)))
    throw new Refusal('configuration', 'Say what to withdraw: ID, REPOSITORY@DIGEST, or --key FINGERPRINT')
  if (at < 0) return { path: `${path}/${parseId(what)}` }
  const repository = parseRepository(what.slice(0, at))
  return { path, query: { repository, digest: parseDigest(what.slice(at + 1)) } }
}
