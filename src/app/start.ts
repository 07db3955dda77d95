import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { repositoryOf } from '../admission/place.ts'
import { startAdmission } from '../admission/thread.ts'
import { newTrail } from '../admission/trail.ts'
import type { Withdrawals } from '../admission/withdraw.ts'
import type { RunningServer } from '../cli/serve.ts'
import { version } from '../cli/version.ts'
import { servingProcesses } from '../cli/worker-questions.ts'
import type { Config } from '../config/config.ts'
import { originOf } from '../config/origin.ts'
import { asFileTrouble } from '../durable/file-trouble.ts'
import { v8GivesWay } from '../give-way.ts'
import { buildServer } from '../http/server.ts'
import { certificateClients } from '../identity/clients.ts'
import { type Issuers, oidcIssuers } from '../identity/issuers.ts'
import { startMirrors } from '../mirror/thread.ts'
import { readCaFile } from '../net/ca-file.ts'
import { asDamaged } from '../storage/sqlite/connection.ts'
import { openSqlite } from '../storage/sqlite/sqlite.ts'
import { type NamedTree, treeLags } from '../tree/lag.ts'
import { publishedTree } from '../tree/published.ts'
import { type ProjectorMessage, startProjector } from '../tree/thread.ts'
import { treeOf } from '../tree/tree.ts'
import { admissionHere, admissionRules, trustSettings, userAgent } from './admission.ts'
import { adopt } from './adopt.ts'
import { certificatesOf } from './certificates.ts'
import { registryOptions, upstreamOf, warnOfRegistry } from './registry.ts'

/**
 * Starts one serving process on a data folder; others may serve the same one.
 * @throws Refusal configuration, data-folder, disk-full; errors of the network
 */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  v8GivesWay()
  const { data: dataFolder } = config
  const rules = admissionRules(config)
  const opened: (() => Promise<void> | void)[] = []
  const close = async () => {
    for (let end = opened.pop(); end; end = opened.pop()) await end()
  }
  try {
    const storage = openSqlite({
      dataFolder,
      onWaiting: () => log.warn('another process is still bringing the database up to date'),
    })
    opened.push(storage.close)
    await storage.configureViews(rules.digestViews)
    await storage.limitAudit(config.audit)
    // A policy that cannot be used stops the start; later on, the last good one stays in force.
    const admitHere = await admissionHere(storage, config)
    if (config.tree.enabled) await adopt(storage, dataFolder, admitHere, log)

    const crashed = (thread: string) => (err: Error) =>
      log.fatal({ err, thread }, 'a thread died; another takes its place')
    const publish = config.publish.map(({ directory }) => directory)
    const projector =
      config.tree.enabled || publish.length
        ? startProjector(
            { dataFolder, tree: config.tree.enabled, publish },
            logProjector(log),
            crashed('projector'),
          )
        : null
    if (projector) opened.push(projector.close)
    const admitting = startAdmission(
      { dataFolder, rules, trust: trustSettings(config), graceSeconds: config.withdraw.graceSeconds },
      { onCrash: crashed('admission'), onNews: ({ level, news, about }) => log[level](about, news) },
    )
    opened.push(admitting.close)
    const trail = newTrail({ write: admitting.record })
    opened.push(trail.close)
    if (config.mirrors.length) {
      const { mirrors } = config
      const mirroring = startMirrors(
        {
          dataFolder,
          rules,
          trust: trustSettings(config),
          mirrors,
          graceSeconds: config.withdraw.graceSeconds,
          userAgent,
        },
        { onCrash: crashed('mirrors'), onNews: ({ level, news, about }) => log[level](about, news) },
      )
      opened.push(mirroring.close)
    }
    const certificates = await certificatesOf(config, storage, log)
    if (certificates) opened.push(certificates.stop)

    const upstream = upstreamOf(config)
    if (upstream) {
      opened.push(upstream.close)
      void warnOfRegistry(upstream, config, log)
    }

    const issuers = issuersOf(config)
    opened.push(issuers.close)

    let origin = ''
    const server = await buildServer({
      storage,
      admit: async (upload) => {
        const admitted = await admitting.admit(upload)
        if (admitted.outcome === 'added') projector?.nudge()
        return admitted
      },
      trail,
      withdrawals: nudging(admitting.withdrawals, () => projector?.nudge()),
      registry: registryOptions(config, upstream),
      trustedProxies: config.trustedProxies,
      issuers,
      clients: await certificateClients(config.clients, Date.now),
      gates: {
        ...admitting.gates,
        repositoryOf: (image) => repositoryOf(image, rules.registries),
        names: Object.keys(config.gates),
      },
      setup: {
        registries: config.registries,
        ca: async () => (certificates?.ca ? readFile(certificates.ca, 'utf8') : null),
      },
      observed: {
        mirrors: config.mirrors,
        depth: admitting.depth,
        probe: admitting.probe,
        lags: treeLags(storage, treesOf(config), Date.now),
        version,
        processes: servingProcesses(),
      },
      log,
      clock: Date.now,
      tls: certificates?.options ?? null,
      reads: config.reads,
      uploads: config.uploads,
      origin: () => origin,
    })
    opened.push(server.close)
    certificates?.follow(server.setCertificate)
    const port = await server.listen({ ...config.listen, host: config.listen.host || '::' })
    origin = originOf(config, port)
    return { origin, ca: certificates?.ca ?? null, close }
  } catch (error) {
    await close()
    throw asDamaged(join(dataFolder, 'lookaside.db'), error) ?? asFileTrouble(dataFolder, error) ?? error
  }
}

/** All that are written. */
function treesOf({ tree, publish, data }: Config): NamedTree[] {
  return [
    ...(tree.enabled ? [{ name: 'tree', tree: treeOf(data) }] : []),
    ...publish.map(({ directory }) => ({ name: directory, tree: publishedTree(directory) })),
  ]
}

function issuersOf({ oidc }: Config): Issuers {
  const settings = oidc.map(({ ca, ...issuer }) => ({
    ...issuer,
    ca: ca === undefined ? [] : [readCaFile(ca)],
  }))
  return oidcIssuers(settings, Date.now)
}

/** The tree is to follow at once. */
function nudging({ withdraw, reinstate, ban, unban }: Withdrawals, nudge: () => void): Withdrawals {
  const thenNudge =
    <Order, Result>(verb: (order: Order) => Promise<Result>) =>
    (order: Order) =>
      verb(order).finally(nudge)
  return { withdraw: thenNudge(withdraw), reinstate: thenNudge(reinstate), ban: thenNudge(ban), unban }
}

function logProjector(log: Logger): (message: ProjectorMessage) => void {
  return ({ kind, ...about }) => {
    if (kind === 'position') log.debug(about, 'the tree is written')
    else if (kind === 'set-aside')
      log.error(about, 'a directory of the tree cannot be written; it is tried again')
    else if (kind === 'stuck')
      log.error(about, 'the tree cannot be written; the database keeps everything, and it is tried again')
    else
      log.error(
        about,
        'the tree holds what is not of this log, and is left alone: a restart takes it in; where it is published, it has to be emptied',
      )
  }
}
