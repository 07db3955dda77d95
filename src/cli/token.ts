import { randomBytes } from 'node:crypto'
import { Command } from 'commander'
import { formatScope, parseScope } from '../access/principal.ts'
import { mintToken, parseDuration, tokenRandomBytes } from '../access/token.ts'
import { printable } from '../printable.ts'
import { Refusal } from '../refusal.ts'
import type { Storage, TokenRecord } from '../storage/storage.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { operator } from './operator.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'

interface CreateOptions extends DataOptions {
  name: string
  allow: string[]
  expires?: string
  json?: boolean
}

export function tokenCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  const withStorage = async (
    options: DataOptions,
    work: (storage: Storage) => Promise<ExitCode>,
    create = false,
  ) => {
    const storage = cli.openStorage(configOf(cli, options).data, { create })
    try {
      ends(await work(storage))
    } finally {
      await storage.close()
    }
  }
  const command = new Command('token').description('who may upload: create, list and revoke tokens')
  onDataFolder(command.command('create'))
    .description('make a token and print it, this once')
    .requiredOption('--name <name>', 'whose it is, for lists and the log')
    .requiredOption(
      '--allow <scope...>',
      'push:PATTERN, withdraw:PATTERN, relocate:PATTERN, read:PATTERN or admin',
    )
    .option('--expires <duration>', 'such as 90d or 12h (default: never)')
    .option('--json', 'print a JSON document')
    .action((options: CreateOptions) => withStorage(options, (storage) => create(storage, options), true))
  onDataFolder(command.command('list'))
    .description('list tokens; their secrets are stored nowhere')
    .option('--json', 'print a JSON document')
    .action((options: DataOptions & { json?: boolean }) =>
      withStorage(options, (storage) => list(storage, options.json)),
    )
  onDataFolder(command.command('revoke'))
    .description('refuse a token from now on')
    .argument('<id>', 'as in the list')
    .action((id: string, options: DataOptions) => withStorage(options, (storage) => revoke(storage, id)))
  return command
}

async function create(storage: Storage, { name, allow, expires, json }: CreateOptions): Promise<ExitCode> {
  if (name.length > 100 || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(name) || name === '')
    throw new Refusal('configuration', 'A name has 1 to 100 characters and no control characters')
  const scopes = allow.map((text) => formatScope(parseScope(text)))
  const created = Date.now()
  let minted = mintToken(randomBytes(tokenRandomBytes))
  // Ids are short, to be typed; two tokens must not share one.
  while (await storage.token(minted.id)) minted = mintToken(randomBytes(tokenRandomBytes))
  const { id, token, hash } = minted
  const record = {
    id,
    name,
    hash,
    scopes,
    created,
    expires: expires ? created + parseDuration(expires) * 1000 : null,
    revoked: null,
  }
  await storage.addToken(record, operator())
  if (json) printJson({ token, ...tokenDocument(record) })
  else print(token)
  return exit.done
}

async function list(storage: Storage, json: boolean | undefined): Promise<ExitCode> {
  const tokens = await storage.tokens()
  if (json) printJson(tokens.map(tokenDocument))
  else if (!tokens.length) note('There is no token yet.')
  for (const token of json ? [] : tokens) {
    const { id, name, scopes, expires, revoked } = tokenDocument(token)
    const ends = token.expires !== null && token.expires <= Date.now() ? 'expired' : 'expires'
    const state = revoked ? `revoked ${revoked}` : expires ? `${ends} ${expires}` : 'does not expire'
    print(`${id}  ${printable(name)}  ${scopes.join(' ')}  ${state}`)
  }
  return exit.done
}

async function revoke(storage: Storage, id: string): Promise<ExitCode> {
  if (await storage.revokeToken(id, Date.now(), operator())) return exit.done
  note(`There is no token ${id} that is not revoked.`)
  return exit.no
}

function tokenDocument({ id, name, scopes, created, expires, revoked }: TokenRecord) {
  const date = (time: number | null) => (time === null ? null : new Date(time).toISOString())
  return { id, name, scopes, created: date(created), expires: date(expires), revoked: date(revoked) }
}
