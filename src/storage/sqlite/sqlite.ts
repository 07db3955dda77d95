import { setTimeout as wait } from 'node:timers/promises'
import type { Location } from '../../reference/tree-path.ts'
import type { Storage, TokenRecord } from '../storage.ts'
import { prepareAppend, prepareLocate } from './append.ts'
import { connect } from './connection.ts'
import { groupCommit } from './group-commit.ts'
import { holdLock } from './lock.ts'
import { newEpoch } from './migrate.ts'
import { prepareReads } from './read.ts'
import { prepareVerdicts } from './verdicts.ts'
import { layOutViews } from './views.ts'

/**
 * The embedded store: one SQLite file in WAL mode, `synchronous=FULL`. Any number of threads and processes of one
 * machine may open the same data folder. Every verb runs on the calling thread.
 * @throws Refusal data-folder
 */
export function openSqlite({
  dataFolder,
  create = true,
  clock = Date.now,
}: {
  dataFolder: string
  /** False: a folder without a database is refused. */
  create?: boolean
  clock?: () => number
}): Storage {
  const db = connect(dataFolder, { create })
  const verdicts = prepareVerdicts(db, clock)
  const reads = prepareReads(db, verdicts)
  const write = groupCommit(db)
  const append = prepareAppend(db, reads, verdicts, clock)
  const locate = prepareLocate(db)
  const mark = db.prepare(
    `INSERT INTO tree_backlog VALUES (?, ?, ?) ON CONFLICT (location) DO UPDATE SET error = excluded.error`,
  )
  const settle = db.prepare('DELETE FROM tree_backlog WHERE location = ?')
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

  return {
    async append(signature) {
      for (let patience = 2; ; patience--) {
        const done = await writeHere(() => append(signature, { mayWait: patience > 0 }))
        if ('outcome' in done) return done
        await wait(done.wait)
      }
    },
    configureViews: (views, covers) => writeHere(() => layOutViews(db, views, covers, clock())),
    renewEpoch: () =>
      writeHere(() => {
        const epoch = newEpoch()
        db.prepare("UPDATE meta SET value = ? WHERE key = 'epoch'").run(epoch)
        return epoch
      }),
    lease: async (name) => holdLock(dataFolder, name, 0),

    epoch: async () => reads.meta('epoch'),
    generation: async () => Number(reads.meta('generation')),
    head: async () => reads.head(),
    position: async (seq) => reads.position(seq),
    news() {
      const version = reads.dataVersion()
      const news = version !== seen || unseenWrites > 0
      seen = version
      unseenWrites = 0
      return news
    },
    touchedAfter: async (seq, limit) => reads.touchedAfter(seq, limit),
    slots: async (location) => reads.slots(location),
    locations: async (after, limit) => reads.locations(after, limit),
    holds: async (sha256) => reads.holds(sha256),
    find: async (id) => reads.find(id),
    list: async (query) => reads.list(query),
    added: async (after, limit) => reads.added(after, limit),
    changesAfter: async (seq, limit) => reads.changesAfter(seq, limit),
    integrity: async () => reads.integrity(),

    setKeyring: (keys) => writeHere(() => verdicts.setKeyring(keys)),
    keyring: async () => verdicts.keyring(),
    untried: async (fingerprint, after, limit) => verdicts.untried(fingerprint, after, limit),
    addChecks: (checks) => writeHere(() => verdicts.addChecks(checks)),
    setTried: (signature) => writeHere(() => verdicts.setTried(signature)),
    turnStandings: async (limit) =>
      verdicts.isTurnDue() ? writeHere(() => verdicts.turnStandings(limit)) : true,

    backlog: async () => reads.backlog(),
    addToBacklog: (location: Location, error) =>
      writeHere(() => void mark.run(locate(location).location, error, clock())),
    settleBacklog: (location) => writeHere(() => void settle.run(locate(location).location)),

    addToken: (token) =>
      writeHere(() => {
        const { id, name, hash, scopes, created, expires, revoked } = token
        addToken.run(id, name, hash, JSON.stringify(scopes), created, expires, revoked)
      }),
    token: async (id) => tokenRecord(findToken.get(id) as TokenRow | undefined),
    tokens: async () => (allTokens.all() as TokenRow[]).map((row) => tokenRecord(row) as TokenRecord),
    revokeToken: (id, time) => writeHere(() => revokeToken.run(time, id).changes > 0),

    close: async () => void db.close(),
  }
}

interface TokenRow extends Omit<TokenRecord, 'scopes'> {
  scopes: string
}

function tokenRecord(row: TokenRow | undefined): TokenRecord | null {
  return row ? { ...row, scopes: JSON.parse(row.scopes) as string[] } : null
}
