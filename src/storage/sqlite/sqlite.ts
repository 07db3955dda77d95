import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Location } from '../../reference/tree-path.ts'
import type { AuditEntry } from '../audit.ts'
import type { Storage, TokenRecord } from '../storage.ts'
import { prepareAppend } from './append.ts'
import { prepareAudit } from './audit.ts'
import { prepareCatalog } from './catalog.ts'
import { asDamaged, type Connection, type ConnectOptions, connect } from './connection.ts'
import { prepareFeed } from './feed.ts'
import { prepareFolders } from './folders.ts'
import { groupCommit } from './group-commit.ts'
import { keepInPlace } from './in-place.ts'
import { integrity } from './integrity.ts'
import { prepareLocate } from './locate.ts'
import { holdLock } from './lock.ts'
import { prepareLog } from './log.ts'
import { newEpoch } from './migrate.ts'
import { prepareReads } from './read.ts'
import { prepareRetract } from './retract.ts'
import { type Moment, NextSecond, prepareSlots } from './slots.ts'
import { prepareSources } from './sources.ts'
import { prepareVerdicts } from './verdicts.ts'
import { layOutViews } from './views.ts'
import { prepareWithdrawing } from './withdraw.ts'

/**
 * The embedded store: one SQLite file in WAL mode, `synchronous=FULL`. Any number of threads and processes of one
 * machine may open the same data folder. Every verb runs on the calling thread.
 * @throws Refusal data-folder
 */
export function openSqlite({
  dataFolder,
  create = true,
  clock = Date.now,
  ...waiting
}: {
  dataFolder: string
  clock?: () => number
} & Partial<ConnectOptions>): Storage {
  const db = connect(dataFolder, { create, ...waiting })
  const file = join(dataFolder, 'lookaside.db')
  try {
    return storeOn(db, { dataFolder, file, clock })
  } catch (error) {
    db.close()
    throw asDamaged(file, error) ?? error
  }
}

function storeOn(
  db: Connection,
  { dataFolder, file, clock }: { dataFolder: string; file: string; clock: () => number },
): Storage {
  const verdicts = prepareVerdicts(db, clock)
  const reads = prepareReads(db, verdicts)
  const write = groupCommit(db, keepInPlace(file))
  const audit = prepareAudit(db)
  const log = prepareLog(db, reads, audit)
  const slots = prepareSlots(db)
  const sources = prepareSources(db)
  const append = prepareAppend(db, { reads, log, slots, sources, verdicts })
  const withdrawals = prepareWithdrawing(db, log, slots, verdicts)
  const retract = prepareRetract(db, { log, slots, sources, verdicts, withdrawals })
  const folders = prepareFolders(db)
  const feed = prepareFeed(db)
  const catalog = prepareCatalog(db)
  const locate = prepareLocate(db)
  const mark = db.prepare(
    `INSERT INTO tree_backlog VALUES (?, ?, ?) ON CONFLICT (location) DO UPDATE SET error = excluded.error`,
  )
  const settle = db.prepare('DELETE FROM tree_backlog WHERE location = ?')
  const touch = db.prepare(
    `INSERT INTO meta VALUES ('touched', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  )
  const tokenColumns = 'id, name, hash, scopes, created, expires, revoked'
  const addToken = db.prepare(`INSERT INTO tokens (${tokenColumns}) VALUES (?, ?, ?, ?, ?, ?, ?)`)
  const findToken = db.prepare(`SELECT ${tokenColumns} FROM tokens WHERE id = ?`)
  const allTokens = db.prepare(`SELECT ${tokenColumns} FROM tokens ORDER BY created, id`)
  const revokeToken = db.prepare('UPDATE tokens SET revoked = ? WHERE id = ? AND revoked IS NULL')

  // SQLite's data_version counts what other connections commit; what this one commits is counted here.
  let seen = Number.NaN
  let unseenWrites = 0
  const writeHere = <T>(job: () => T) =>
    write(job).then((value) => {
      unseenWrites++
      return value
    })

  /** A job that changes slots, which may wait for the next second. */
  const writeSlots = async <T>(job: (moment: Moment) => T): Promise<T> => {
    for (let patience = maxWaits; ; patience--) {
      try {
        return await writeHere(() => job({ time: clock(), mayWait: patience > 0 }))
      } catch (error) {
        if (!(error instanceof NextSecond)) throw error
        await wait(error.milliseconds)
      }
    }
  }

  /** In the transaction of what it tells of. */
  const note = (entry: AuditEntry) => audit.record(entry, clock())

  return {
    append: (signature) => writeSlots((moment) => append(signature, moment)),
    configureViews: (views) => writeHere(() => layOutViews(db, views, clock())),
    renewEpoch: (by) =>
      writeHere(() => {
        const epoch = newEpoch()
        db.prepare("UPDATE meta SET value = ? WHERE key = 'epoch'").run(epoch)
        note({ ...(by ?? unknown), event: 'restored', detail: `The log has a new epoch, ${epoch}` })
        return epoch
      }),
    touch: () => writeHere(() => void touch.run(String(clock()))),
    lease: async (name) => holdLock(dataFolder, name, 0),

    epoch: async () => reads.meta('epoch'),
    head: async () => reads.head(),
    position: async (seq) => reads.position(seq),
    news() {
      const version = reads.dataVersion()
      const news = version !== seen || unseenWrites > 0
      seen = version
      unseenWrites = 0
      return news
    },
    version: async () => reads.version(),
    versionOf: async (location) => reads.versionOf(location),
    changedSince: async (version, limit) => reads.changedSince(version, limit),
    slots: async (location) => reads.slots(location),
    slotHashes: async (location) => reads.slotHashes(location),
    folder: async (path, after, limit) => folders.folder(path, after, limit),
    locations: async (after, limit) => reads.locations(after, limit),
    holds: async (sha256) => reads.holds(sha256),
    blob: async (sha256) => reads.blob(sha256),
    find: async (id) => reads.find(id),
    list: async (query) => reads.list(query),
    added: async (after, limit) => reads.added(after, limit),
    changesAfter: async (seq, limit) => reads.changesAfter(seq, limit),
    changesWithBlobs: async (seq, limit, maxBytes) => feed.changesWithBlobs(seq, limit, maxBytes),
    repositories: async (query) => catalog.repositories(query),
    repositoriesWith: async (part, limit) => catalog.repositoriesWith(part, limit),
    digestsFrom: async (start, limit) => catalog.digestsFrom(start, limit),
    digests: async (query) => catalog.digests(query),
    changesOf: async (signature, before, limit) => catalog.changesOf(signature, before, limit),
    unserved: async (repository, digest, limit) => catalog.unserved(repository, digest, limit),
    standing: async (query) => withdrawals.standing(query),
    bannedKeys: async () => withdrawals.bannedKeys(),
    sizes: async () => ({ database: bytesOf(file), log: bytesOf(`${file}-wal`) }),
    integrity: async () => integrity(db),

    withdraw: (signatures, why) => writeSlots((moment) => withdrawals.withdraw(signatures, why, moment)),
    withdrawn: async (signature) => withdrawals.withdrawn(signature),
    banKey: (key, origin) =>
      writeHere(() => {
        const { fingerprint: detail, actor, reason } = key
        if (withdrawals.banKey(key)) note({ event: 'banned', actor, origin: origin ?? null, detail, reason })
      }),
    unbanKey: (fingerprint, by = unknown) =>
      writeHere(() => {
        const wasBanned = withdrawals.unbanKey(fingerprint)
        if (wasBanned) note({ ...by, event: 'unbanned', detail: fingerprint })
        return wasBanned
      }),
    endGrace: async (limit, graceSeconds) =>
      withdrawals.isGraceDue(clock())
        ? writeSlots((moment) => withdrawals.endGrace(limit, graceSeconds, moment))
        : true,

    confirm: (source, keys, round) => writeHere(() => sources.confirm(source, keys, round)),
    retract: (source, keys, why) => writeSlots((moment) => retract(source, keys, why, moment)),
    unconfirmed: async (source, round, limit) => sources.unconfirmed(source, round, limit),
    contributed: async (source, limit) => sources.count(source, limit),
    sourceState: async (source) => sources.state(source),
    setSourceState: (source, state) => writeHere(() => sources.setState(source, state)),
    setSourceStatus: (source, status) => writeHere(() => sources.setStatus(source, status)),
    sources: async () => sources.all(),
    sourcePage: async (source, path) => sources.page(source, path),
    setSourcePages: (source, pages) => writeHere(() => sources.setPages(source, pages)),
    sourcePages: async (source, after, limit) => sources.pages(source, after, limit),

    setKeyring: (keys) => writeHere(() => verdicts.setKeyring(keys)),
    keyring: async () => verdicts.keyring(),
    untried: async (fingerprint, after, limit) => verdicts.untried(fingerprint, after, limit),
    addChecks: (checks) => writeHere(() => verdicts.addChecks(checks)),
    revived: async (limit) => verdicts.revived(limit),
    settleRevived: (signatures) => writeHere(() => verdicts.settleRevived(signatures)),
    setTried: (signature) => writeHere(() => verdicts.setTried(signature)),
    turnStandings: async (limit) =>
      verdicts.isTurnDue() ? writeHere(() => verdicts.turnStandings(limit)) : true,

    backlog: async () => reads.backlog(),
    addToBacklog: (location: Location, error) =>
      writeHere(() => void mark.run(locate(location).location, error, clock())),
    settleBacklog: (location) => writeHere(() => void settle.run(locate(location).location)),

    addToken: (token, by = unknown) =>
      writeHere(() => {
        const { id, name, hash, scopes, created, expires, revoked } = token
        addToken.run(id, name, hash, JSON.stringify(scopes), created, expires, revoked)
        note({ ...by, event: 'token-created', detail: `${id} ${name}: ${scopes.join(' ')}` })
      }),
    token: async (id) => tokenRecord(findToken.get(id) as TokenRow | undefined),
    tokens: async () => (allTokens.all() as TokenRow[]).map((row) => tokenRecord(row) as TokenRecord),
    revokeToken: (id, time, by = unknown) =>
      writeHere(() => {
        const wasGood = revokeToken.run(time, id).changes > 0
        if (wasGood) note({ ...by, event: 'token-revoked', detail: id })
        return wasGood
      }),

    record: (entries) => writeHere(() => entries.forEach(note)),
    audit: async (query) => audit.page(query),
    limitAudit: (limits) => writeHere(() => audit.setLimits(limits)),

    close: async () => void db.close(),
  }
}

/** Whoever does not say who it is. */
const unknown = { actor: null, origin: null }

/** How often a job waits for the next second, before it does without. */
const maxWaits = 2

function bytesOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

interface TokenRow extends Omit<TokenRecord, 'scopes'> {
  scopes: string
}

function tokenRecord(row: TokenRow | undefined): TokenRecord | null {
  return row ? { ...row, scopes: JSON.parse(row.scopes) as string[] } : null
}
