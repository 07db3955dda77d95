import { Command } from 'commander'
import type { Config, MirrorConfig } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { sourceName } from '../mirror/destination.ts'
import { runMirror } from '../mirror/mirror.ts'
import { acceptRemovals } from '../mirror/notes.ts'
import type { MirrorStatus } from '../mirror/status.ts'
import { printable } from '../printable.ts'
import { Refusal } from '../refusal.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'
import { bar, counter, type Progress } from './progress.ts'

interface MirrorOptions extends DataOptions {
  from: string
  policy?: string
  prefix?: string
  follow?: boolean
  images?: string
  ca?: string
  tokenFile?: string
  acceptRemovals?: boolean
  json?: boolean
}

export function mirrorCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('mirror'))
    .description('keep a copy of the signatures of another place; a server may run')
    .requiredOption('--from <url>', 'where its tree begins, such as https://sigs.vendor.example/signatures')
    .option('--policy <file>', 'a policy.json that each of its signatures must meet')
    .option('--prefix <path>', 'below which they live here; nothing else is put there')
    .option('--follow', 'go on until stopped')
    .option('--images <file>', 'the images, a line each, whose signatures are asked for one by one')
    .option('--ca <file>', 'its CA, beside those of the system')
    .option('--token-file <file>', 'a file with a token of it, where its reads are private')
    .option('--accept-removals', 'what is held back because it seems to be lost there may go here too')
    .option('--json', 'print a JSON document')
    .action(async (options: MirrorOptions) => {
      const config = configOf(cli, options)
      ends(await mirror(cli, config, mirrorOf(cli, config, options), options))
    })
}

/** The mirror that the options name: where they do not describe it, that of the configuration. */
function mirrorOf(cli: Cli, config: Config, options: MirrorOptions): MirrorConfig {
  const { from, policy, prefix = '', images, ca, tokenFile, config: file, data } = options
  const configured = config.mirrors.filter((each) => each.from === from.replace(/\/+$/, ''))
  if (policy === undefined && configured.length) {
    const [found] = configured.filter((each) => options.prefix === undefined || each.prefix === prefix)
    if (found) return found
  }
  if (policy === undefined)
    throw new Refusal(
      'configuration',
      'A mirror needs a policy, which says what it may bring: name one with --policy',
    )
  const given = {
    from,
    policy,
    prefix,
    ...(images !== undefined && { images }),
    ...(ca !== undefined && { ca }),
    ...(tokenFile !== undefined && { tokenFile }),
  }
  const { mirrors } = loadConfig({
    ...(file !== undefined && { file }),
    env: cli.env,
    flags: { ...(data !== undefined && { data }), mirrors: [given] },
  })
  return mirrors[0] as MirrorConfig
}

async function mirror(
  cli: Cli,
  config: Config,
  wanted: MirrorConfig,
  { follow = false, json = false, acceptRemovals: isAccepted = false }: MirrorOptions,
): Promise<ExitCode> {
  const storage = cli.openStorage(config.data)
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  process.on('SIGTERM', stop).on('SIGINT', stop)
  const progress = progressShown()
  try {
    const context = await cli.mirrorContext(storage, config)
    if (isAccepted && !(await acceptRemovals(storage, sourceName(wanted), Date.now())))
      note('Nothing is held back.')
    const status = await runMirror(wanted, context, {
      follow,
      signal: stopping.signal,
      onProgress: progress.update,
      onNews: ({ news, about }) => {
        if (follow) note(printable(`${news}${about.problem ? `: ${about.problem}` : ''}`))
      },
    }).catch((error) => {
      if (!isAccepted || !(error instanceof Refusal) || error.code !== 'busy') throw error
      note('A server runs this mirror: it takes away what it holds back when it looks again.')
      return null
    })
    if (!status) return exit.done
    progress.stop()
    if (json) printJson(status)
    else tell(status)
    return status.state === 'held' || Object.keys(status.refused).length ? exit.no : exit.done
  } finally {
    progress.stop()
    process.off('SIGTERM', stop).off('SIGINT', stop)
    await storage.close()
  }
}

/** A bar, where the source says how much there is. */
function progressShown() {
  let shown: Progress | null = null
  return {
    update({ done = 0, total }: { done?: number; total?: number }) {
      shown ??= total ? bar(total, 'done') : counter('done')
      shown.update(done)
    },
    stop: () => shown?.stop(),
  }
}

function tell({ added, present, removed, refused, refusals, state, lastError }: MirrorStatus): void {
  for (const { where, code, detail } of refusals) print(printable(`left out ${where}: ${code}: ${detail}`))
  const counts = Object.entries(refused).map(([code, count]) => `${count} ${code}`)
  if (state === 'held' && lastError) note(printable(lastError))
  const came = added || present || removed
  print(
    `${came ? `${added} added, ${present} already there, ${removed} taken away` : 'nothing new'}, ${counts.length ? `left out: ${counts.join(', ')}` : 'none left out'}`,
  )
}
