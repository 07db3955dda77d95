import { Command } from 'commander'
import { printable } from '../printable.ts'
import { parseRepository } from '../reference/repository.ts'
import { Refusal, type RefusalCode } from '../refusal.ts'
import { type Cli, explain, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { bar } from './progress.ts'
import { concurrency, type Problem, type ServerClient, serverClient } from './server-client.ts'
import { onServer, type ServerOptions, uploadAccess } from './server-options.ts'
import { byFolder, collect, explicitPlace, readStaged, type StagedFile } from './staging.ts'

interface PushOptions extends ServerOptions {
  repository?: string
  prefix?: string
  json?: boolean
}

/** What became of a file. `failed`: the server may have it all the same; `untried`: it was not sent. */
type Result =
  | ({ path: string; outcome: 'added' | 'present'; url: string } & Record<string, unknown>)
  | ({ path: string; outcome: 'refused' } & Problem)
  | { path: string; outcome: 'left-out'; code: RefusalCode; detail: string }
  | { path: string; outcome: 'failed'; detail: string }
  | { path: string; outcome: 'untried' }

interface Pushed {
  /** In the order of the files. */
  results: Result[]
  /** What stopped it before the end. */
  failure: Error | null
}

export function pushCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onServer(new Command('push'))
    .description(
      'upload signature files, or whole trees as skopeo copy --sign-by stages them; again is harmless',
    )
    .argument('<path...>', 'signature files, and staging folders (lookaside-staging)')
    .option('--repository <name>', 'put the files there, not where their claims belong (takes relocate:NAME)')
    .option(
      '--prefix <path>',
      'where the server keeps the registry of a tree, for signatures whose folder is not what their claim names',
    )
    .option('--json', 'print a JSON document')
    .action(async (paths: string[], options: PushOptions) => {
      const access = uploadAccess(cli.env, options)
      for (const name of [options.repository, options.prefix]) if (name !== undefined) parseRepository(name)
      const files = await collect(paths)
      if (options.repository !== undefined && files.some(({ slot, oddity }) => slot || oddity)) {
        throw new Refusal(
          'configuration',
          '--repository is for single files: the folders of a tree say where its files go',
        )
      }
      const pushed = await push(files, serverClient(access), options)
      ends(tell(pushed, options.json))
    })
}

/** Nothing is under way any more when it returns. */
async function push(files: StagedFile[], send: ServerClient, options: PushOptions): Promise<Pushed> {
  const results = new Map<StagedFile, Result>()
  const progress = bar(files.length, 'files')
  let failure: Error | null = null
  let stopped = false

  const take = async (file: StagedFile) => {
    if (stopped) return
    try {
      const result = await pushFile(file, send, options)
      results.set(file, result)
      // No other file would fare better with that token.
      if (result.outcome === 'refused' && result.status === 401) stopped = true
    } catch (error) {
      stopped = true
      failure ??= error as Error
      results.set(file, { path: file.path, outcome: 'failed', detail: (error as Error).message })
    }
    progress.update(results.size)
  }

  const folders = byFolder(files).values()
  const inTurn = async () => {
    for (const folder of folders) for (const file of folder) await take(file)
  }
  await Promise.all(Array.from({ length: concurrency }, inTurn))
  progress.stop()
  return {
    results: files.map((file) => results.get(file) ?? { path: file.path, outcome: 'untried' }),
    failure,
  }
}

async function pushFile(
  file: StagedFile,
  send: ServerClient,
  { repository, prefix }: PushOptions,
): Promise<Result> {
  const { path, oddity } = file
  if (oddity !== null) return { path, outcome: 'left-out', code: 'bad-request', detail: oddity }
  let body: Uint8Array
  let place: string | undefined
  try {
    body = await readStaged(file)
    place = repository ?? explicitPlace(file, body, prefix) ?? undefined
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { path, outcome: 'left-out', code: error.code, detail: error.message }
  }
  return upload(send, { path, body, place })
}

/** Uploads one signature. `path` is how it is named to the person who waits for it. */
export async function upload(
  send: ServerClient,
  { path, body, place }: { path: string; body: Uint8Array; place?: string | undefined },
): Promise<Result> {
  const answer = await send({
    method: 'POST',
    path: '/api/v1/signatures',
    query: { repository: place },
    body,
  })
  if ('problem' in answer) return { path, outcome: 'refused', ...answer.problem }
  const { url } = answer.document
  if (typeof url !== 'string')
    throw new Error('This is not a lookaside server: it does not say where the signature is')
  return { ...answer.document, path, url, outcome: answer.status === 201 ? 'added' : 'present' }
}

export function tell({ results, failure }: Pushed, json: boolean | undefined): ExitCode {
  if (json) printJson(results)
  else for (const result of results) tellOne(result)
  const count = (...outcomes: Result['outcome'][]) =>
    results.filter(({ outcome }) => outcomes.includes(outcome)).length
  const refused = count('refused', 'left-out')
  const remaining = count('failed', 'untried')
  if (results.length !== 1) {
    note(`${count('added')} added, ${count('present')} already there, ${refused} refused or left out`)
  }
  if (failure) note(`lookaside: ${explain(failure)}`)
  if (remaining)
    note(
      `lookaside: ${remaining} of ${results.length} files remain; push again, what is there is not added twice`,
    )
  if (failure) return exit.failure
  // A token that is not known is no answer about the files.
  if (results.some((result) => result.outcome === 'refused' && result.status === 401)) return exit.usage
  return refused ? exit.no : exit.done
}

function tellOne(result: Result): void {
  const path = printable(result.path)
  if (result.outcome === 'added' || result.outcome === 'present') {
    print(`${result.outcome} ${printable(result.url)}`)
    const warnings = Array.isArray(result.warnings) ? result.warnings : []
    for (const warning of warnings) note(`${path}: ${printable(String(warning))}`)
  } else if (result.outcome === 'refused' || result.outcome === 'left-out') {
    const code = 'status' in result ? (result.code ?? `status ${result.status}`) : result.code
    print(
      `${result.outcome === 'refused' ? 'refused' : 'left out'} ${path}: ${code}: ${printable(result.detail)}`,
    )
  }
}
