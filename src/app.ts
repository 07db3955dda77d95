import { readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type AdmissionRules, type Admit, admission } from './admission/admit.ts'
import { adoptForeignTree } from './admission/adopt.ts'
import { repositoryOf } from './admission/place.ts'
import { startAdmission } from './admission/thread.ts'
import { newTrail } from './admission/trail.ts'
import { verdictLease } from './admission/verdicts.ts'
import type { Withdrawals } from './admission/withdraw.ts'
import { type UpstreamRegistry, upstreamRegistry } from './bridge/registry.ts'
import { runProgram } from './cli/program.ts'
import type { RunningServer } from './cli/serve.ts'
import { version } from './cli/version.ts'
import { servingProcesses } from './cli/worker-questions.ts'
import type { Config } from './config/config.ts'
import { originOf } from './config/origin.ts'
import { buildServer, type LookasideServerOptions } from './http/server.ts'
import { certificateClients } from './identity/clients.ts'
import { type Issuers, oidcIssuers } from './identity/issuers.ts'
import { sourceName } from './mirror/destination.ts'
import type { MirrorContext } from './mirror/mirror.ts'
import { startMirrors } from './mirror/thread.ts'
import { backUpSqlite } from './storage/sqlite/backup.ts'
import { restoreSqlite } from './storage/sqlite/restore.ts'
import { openSqlite } from './storage/sqlite/sqlite.ts'
import type { Storage } from './storage/storage.ts'
import { withClientCa } from './tls/client-ca.ts'
import { type Certificates, certificateFromFiles, certificateFromPrivateCa } from './tls/serve.ts'
import { folderWriter } from './tree/folder-writer.ts'
import { type NamedTree, treeLags } from './tree/lag.ts'
import { isForeign } from './tree/projector.ts'
import { publishedTree } from './tree/published.ts'
import { type ProjectorMessage, startProjector } from './tree/thread.ts'
import { treeLease, treeOf } from './tree/tree.ts'
import { loadOperatorTrust, type TrustSettings } from './trust/operator.ts'

/** The only place that builds: what the server is made of, and what the commands are given. */
export async function main(argv: string[]): Promise<void> {
  process.exitCode = await runProgram(argv, {
    env: process.env,
    openStorage: (dataFolder, options) => openSqlite({ dataFolder, ...options }),
    admission: admissionHere,
    mirrorContext,
    backUp: backUpSqlite,
    restore: (options) => restoreSqlite({ ...options, leases: [treeLease, verdictLease] }),
    startServer,
  })
}

/**
 * Starts one serving process on a data folder; others may serve the same one.
 * @throws Refusal configuration, data-folder; errors of the network
 */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
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

    const upstream = await upstreamOf(config)
    if (upstream) {
      opened.push(upstream.close)
      void warnOfRegistry(upstream, config, log)
    }

    const issuers = await issuersOf(config)
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
        ask: admitting.ask,
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
    throw error
  }
}

/** All that are written. */
function treesOf({ tree, publish, data }: Config): NamedTree[] {
  return [
    ...(tree.enabled ? [{ name: 'tree', tree: treeOf(data) }] : []),
    ...publish.map(({ directory }) => ({ name: directory, tree: publishedTree(directory) })),
  ]
}

async function upstreamOf({
  registry: { upstream, ca, anonymous },
}: Config): Promise<UpstreamRegistry | null> {
  if (upstream === undefined) return null
  return upstreamRegistry({ upstream, ca: ca === undefined ? [] : [await readFile(ca, 'utf8')], anonymous })
}

async function issuersOf({ oidc }: Config): Promise<Issuers> {
  const settings = oidc.map(async ({ ca, ...issuer }) => {
    return { ...issuer, ca: ca === undefined ? [] : [await readFile(ca, 'utf8')] }
  })
  return oidcIssuers(await Promise.all(settings), Date.now)
}

/** What clients would find out: the registry may come up after this server, so that it is no reason not to start. */
async function warnOfRegistry(upstream: UpstreamRegistry, { registry }: Config, log: Logger): Promise<void> {
  try {
    const challenges = await upstream.challenges()
    if (challenges.length && !registry.delegate)
      log.warn(
        { upstream: upstream.origin },
        'the registry asks for credentials, which do not say here who may sign: set registry.delegate',
      )
  } catch (err) {
    log.warn({ err, upstream: upstream.origin }, 'the registry does not answer yet')
  }
}

function registryOptions(
  { registry: { delegate, anonymous, host }, publicUrl, tls }: Config,
  upstream: UpstreamRegistry | null,
): LookasideServerOptions['registry'] {
  const isSecure = publicUrl === undefined ? tls.mode !== 'off' : publicUrl.startsWith('https:')
  return {
    upstream,
    delegate: delegate ? upstream : null,
    anonymous,
    host: host ?? null,
    scheme: isSecure ? 'https' : 'http',
  }
}

/** The tree is to follow at once. */
function nudging({ withdraw, reinstate, ban, unban }: Withdrawals, nudge: () => void): Withdrawals {
  const thenNudge =
    <Order, Result>(verb: (order: Order) => Promise<Result>) =>
    (order: Order) =>
      verb(order).finally(nudge)
  return { withdraw: thenNudge(withdraw), reinstate: thenNudge(reinstate), ban: thenNudge(ban), unban }
}

/** Admission on the thread that asks, by the policy as it is now. */
async function admissionHere(storage: Storage, config: Config): Promise<Admit> {
  const trust = await loadOperatorTrust(trustSettings(config))
  return admission(storage, admissionRules(config), () => trust)
}

/** What a mirror that runs on the thread that asks needs. */
async function mirrorContext(storage: Storage, config: Config): Promise<MirrorContext> {
  const { keyring } = await loadOperatorTrust(trustSettings(config))
  const rules = admissionRules(config)
  return { storage, rules, keyring: () => keyring, graceSeconds: config.withdraw.graceSeconds, userAgent }
}

const userAgent = `lookaside/${version}`

function trustSettings({ policy, gates }: Config): TrustSettings {
  return { gates, ...(policy !== undefined && { policy }) }
}

function admissionRules({ registries, digestViews, uploads, mirrors }: Config): AdmissionRules {
  return {
    digestViews,
    sigstoreJson: uploads.sigstoreJson,
    ...(registries && { registries }),
    mirrors: mirrors
      .filter(({ prefix }) => prefix !== '')
      .map((mirror) => ({ prefix: mirror.prefix, source: sourceName(mirror) })),
  }
}

/** Before the first request: what the tree has and an older or new database has not. */
async function adopt(storage: Storage, dataFolder: string, admit: Admit, log: Logger): Promise<void> {
  const tree = treeOf(dataFolder)
  let lease = await storage.lease(treeLease)
  for (; !lease; lease = await storage.lease(treeLease)) {
    // Another process is at it, or writes a tree that is its own: what is not taken in yet must not be answered 404.
    if (!(await isForeign(storage, folderWriter(tree)))) return
    await wait(50)
  }
  try {
    const report = await adoptForeignTree(storage, tree, admit)
    if (!report) return
    const { added, present, refused } = report
    log.warn(
      { added, present, refused },
      'the tree was not of this database: its signatures were taken in, the rest is in lost+found',
    )
  } finally {
    lease.release()
  }
}

async function certificatesOf(config: Config, storage: Storage, log: Logger): Promise<Certificates | null> {
  const certificates = await ownCertificates(config, storage, log)
  if (!certificates || config.tls.mode === 'off' || config.tls.clientCa === undefined) return certificates
  return withClientCa(certificates, config.tls.clientCa, {
    onError: (err) => log.error({ err }, 'the CAs of clients cannot be read; the last good ones count'),
  })
}

async function ownCertificates(config: Config, storage: Storage, log: Logger): Promise<Certificates | null> {
  const { tls, data: dataFolder } = config
  const onError = (err: Error) =>
    log.error({ err }, 'the certificate cannot be renewed; the last good one is served')
  if (tls.mode === 'off') return null
  if (tls.mode === 'files') return certificateFromFiles({ cert: tls.cert, key: tls.key }, { onError })
  const exclusively = async <T>(work: () => Promise<T>): Promise<T> => {
    let lease = await storage.lease('tls')
    for (; !lease; lease = await storage.lease('tls')) await wait(50)
    return work().finally(lease.release)
  }
  return certificateFromPrivateCa({ dataFolder, names: tls.names }, exclusively, {
    onError,
    onCa({ authority, reason, ca, unnamedHost }) {
      if (authority !== 'kept')
        log.warn({ ca, reason }, `a private CA was ${authority}; clients must trust this file`)
      if (unnamedHost)
        log.warn({ unnamedHost }, 'the CA does not permit the name of this host; add it to tls.names')
    },
  })
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
