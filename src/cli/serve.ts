import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { type Logger, pino } from 'pino'
import type { Config } from '../config/config.ts'
import { type Cli, print, programName } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'
import { tellServiceManager } from './service-manager.ts'
import { handOnQuestions } from './worker-questions.ts'

export interface RunningServer {
  /** Scheme and authority that clients use. */
  origin: string
  /** The file that clients must trust, where the certificate is of the private CA. */
  ca: string | null
  /** Finishes what is under way. */
  close(): Promise<void>
}

interface ServeOptions extends DataOptions {
  listen?: string
  tls?: string
  tlsCert?: string
  tlsKey?: string
  policy?: string
  workers?: string
}

export function serveCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('serve'))
    .description('serve signatures to clients and take them from signers')
    .option('--listen <host:port>', 'where to listen (default: localhost:8443)')
    .option('--tls <mode>', 'auto: a private CA in the data folder; off: plain HTTP, behind a proxy')
    .option('--tls-cert <file>', 'the certificate, instead of the private CA')
    .option('--tls-key <file>', 'its key')
    .option('--policy <file>', 'a policy.json that uploads must meet')
    .option('--workers <n|auto>', 'how many processes serve')
    .action(async (options: ServeOptions) => {
      ends(await serve(cli, configOf(cli, options, flagsOf(options))))
    })
}

function flagsOf({ listen, tls, tlsCert, tlsKey, policy, workers }: ServeOptions): Record<string, unknown> {
  const mode = tls ?? (tlsCert || tlsKey ? 'files' : undefined)
  return {
    ...(listen !== undefined && { listen }),
    ...(mode !== undefined && { 'tls.mode': mode }),
    ...(tlsCert !== undefined && { 'tls.cert': tlsCert }),
    ...(tlsKey !== undefined && { 'tls.key': tlsKey }),
    ...(policy !== undefined && { policy }),
    ...(workers !== undefined && { workers }),
  }
}

/** More are of use to few, and each takes its memory. */
const maxAutoWorkers = 4

async function serve(cli: Cli, config: Config): Promise<ExitCode> {
  const workers =
    config.workers === 'auto' ? Math.min(availableParallelism(), maxAutoWorkers) : config.workers
  const log = await logger(config)
  forbidWritingByOthers()
  if (workers > 1 && cluster.isPrimary) return superviseWorkers(workers, log)
  const server = await cli.startServer(config, log).catch((error) => {
    // The channel to the process that supervises would keep this one alive, and that one waiting.
    if (cluster.isWorker) cluster.worker?.disconnect()
    throw error
  })
  const stopped = untilStopped()
  if (!cluster.isWorker || cluster.worker?.id === 1) {
    if (process.stdout.isTTY) print(welcome(server, config))
    log.info({ url: server.origin, ca: server.ca, data: config.data }, 'listening')
    await tellServiceManager(cli.env, log)
  }
  await stopped
  log.info('stopping')
  await server.close()
  if (cluster.isWorker) cluster.worker?.disconnect()
  return exit.done
}

/** What of the log may wait in memory for a reader that is slow; what comes beyond that is lost. */
const maxWaitingLog = 4 * 1024 * 1024

async function logger({ log: { level } }: Config): Promise<Logger> {
  const options = { level, formatters: { level: (label: string) => ({ level: label }) } }
  if (process.stdout.isTTY) {
    const { default: pretty } = await import('pino-pretty')
    return pino(options, pretty({ translateTime: 'HH:MM:ss', ignore: 'pid,hostname' }))
  }
  const stream = pino.destination({ fd: 1, sync: false, maxLength: maxWaitingLog })
  // A log that cannot be written must neither stop the server nor keep it from ending, which a last flush would.
  stream.on('error', () => {
    stream.flushSync = () => {}
  })
  return pino(options, stream)
}

/** Files get no more rights than the operator wants, and nobody else may write them in any case. */
function forbidWritingByOthers(): void {
  const wanted = process.umask(0o022)
  process.umask(wanted | 0o022)
}

/**
 * A signal, or the end of the process that supervises this one. SIGTERM may come twice, from that process and from
 * whoever signals the whole group (systemd does): the second must not cut off what is under way. A second Ctrl-C does.
 */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['SIGTERM', 'disconnect'] as const) process.on(event, () => resolve())
    process[cluster.isWorker ? 'on' : 'once']('SIGINT', () => resolve())
  })
}

/** Where a worker could not start, the next one tries after this long. */
const restartMilliseconds = 1000

/** Keeps that many processes serving the one address; they share nothing but the data folder. */
async function superviseWorkers(count: number, log: Logger): Promise<ExitCode> {
  // The kernel hands connections out: a primary that does so itself costs each of them a message.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  handOnQuestions(count)
  const started = new Set<number>()
  cluster.on('listening', ({ id }) => started.add(id))
  let stopping = false
  let code: ExitCode = exit.done
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const workers = () => Object.values(cluster.workers ?? {})
  const stop = () => {
    stopping = true
    for (const worker of workers()) worker?.process.kill('SIGTERM')
    if (!workers().length) end()
  }
  /** Of one that ended, or never was. Where the first cannot even start, none can. */
  const lost = (failure: ExitCode, again: () => void) => {
    if (stopping) {
      if (!workers().length) end()
    } else if (started.size === 0) {
      code = failure
      stop()
    } else again()
  }
  const fork = () => {
    if (stopping) return
    try {
      const worker = cluster.fork()
      worker.on('error', (err) => {
        // Also of a message that one which is ending does not take: its end is told by itself.
        if (worker.process.pid !== undefined) return
        delete cluster.workers?.[worker.id]
        notStarted(err)
      })
    } catch (err) {
      notStarted(err)
    }
  }
  const notStarted = (err: unknown) => {
    log.error({ err }, 'a worker cannot be started')
    lost(exit.failure, () => setTimeout(fork, restartMilliseconds))
  }
  cluster.on('exit', (worker, workerCode, signal) =>
    lost(workerCode === exit.usage ? exit.usage : exit.failure, () => {
      log.error(
        { code: workerCode, signal, pid: worker.process.pid },
        'a worker died; another takes its place',
      )
      setTimeout(fork, started.has(worker.id) ? 0 : restartMilliseconds)
    }),
  )
  for (let index = 0; index < count; index++) fork()
  void untilStopped().then(stop)
  await ended
  return code
}

/** What to do first, ready to paste. */
function welcome({ origin, ca }: RunningServer, { data }: Config): string {
  const trust = ca ? ` --cacert ${ca}` : ''
  const settings = [
    `export LOOKASIDE_SERVER=${origin}`,
    ...(ca ? [`export LOOKASIDE_CA=${ca}`] : []),
    `export LOOKASIDE_TOKEN=$(${programName()} token create --data ${data} --name me --allow 'push:**')`,
  ]
  return `
Lookaside serves ${origin}/signatures

In another terminal, make a token and upload a signature file:
  ${settings.join('\n  ')}
  ${programName()} push FILE

Read what is there:
  curl${trust} ${origin}/api/v1/signatures
  ${programName()} client-config --registry HOST     # what podman and skopeo need to find it
`
}
