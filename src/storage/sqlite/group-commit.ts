import { Refusal } from '../../refusal.ts'
import type { Connection } from './connection.ts'

/** A commit holds the only write lock: it must not grow without bound. */
const jobsPerCommit = 256

export type Write = <T>(job: () => T) => Promise<T>

interface Queued {
  job: () => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/**
 * Runs jobs that write, many to one commit: what is asked for while a commit is under way shares the next one.
 * A promise resolves when its job is durable. A job that throws has changed nothing and takes no other down with it.
 * `requireInPlace` throws where what is committed would be lost.
 * A job may be run more than once, and only what it did last counts; one that throws does best to do so before it writes.
 */
export function groupCommit(db: Connection, requireInPlace: () => void = () => {}): Write {
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const rollback = db.prepare('ROLLBACK')
  const savepoint = db.prepare('SAVEPOINT job')
  const undo = db.prepare('ROLLBACK TO job')
  const release = db.prepare('RELEASE job')
  const totalChanges = db.prepare('SELECT total_changes()').pluck()
  let queue: Queued[] = []

  /** What is to be said when the commit is durable; null where a job has thrown after it wrote. */
  const runBare = (batch: readonly Queued[]): (() => void)[] | null => {
    const answers: (() => void)[] = []
    for (const { job, resolve, reject } of batch) {
      const before = totalChanges.get()
      try {
        const value = job()
        answers.push(() => resolve(value))
      } catch (error) {
        if (!db.inTransaction) throw error
        if (totalChanges.get() !== before) return null
        answers.push(() => reject(asRefusal(error)))
      }
    }
    return answers
  }

  /** The same, where each job can be undone: that costs half as much again. */
  const runUndoing = (batch: readonly Queued[]): (() => void)[] =>
    batch.map(({ job, resolve, reject }) => {
      savepoint.run()
      try {
        const value = job()
        release.run()
        return () => resolve(value)
      } catch (error) {
        // SQLite itself has ended the transaction (disk full, I/O error): nothing of this batch can be kept.
        if (!db.inTransaction) throw error
        undo.run()
        release.run()
        return () => reject(asRefusal(error))
      }
    })

  const flush = () => {
    const batch = queue.slice(0, jobsPerCommit)
    queue = queue.slice(jobsPerCommit)
    if (queue.length) setImmediate(flush)
    let answers: (() => void)[] | null
    try {
      requireInPlace()
      begin.run()
      answers = runBare(batch)
      if (!answers) {
        rollback.run()
        begin.run()
        answers = runUndoing(batch)
      }
      commit.run()
      requireInPlace()
    } catch (error) {
      if (db.inTransaction) rollback.run()
      for (const { reject } of batch) reject(asRefusal(error))
      return
    }
    for (const answer of answers) answer()
  }

  return <T>(job: () => T) =>
    new Promise<T>((resolve, reject) => {
      if (!queue.length) setImmediate(flush)
      queue.push({ job, resolve: resolve as (value: unknown) => void, reject })
    })
}

function asRefusal(error: unknown): unknown {
  const code = (error as { code?: string }).code ?? ''
  if (code === 'SQLITE_FULL')
    return new Refusal('disk-full', 'The disk of the data folder is full', { cause: error })
  if (code.startsWith('SQLITE_BUSY'))
    return new Refusal('busy', 'The database is busy; try again', { cause: error })
  // Told by the first write: SQLite opens what it may not write, or what says it is of a newer SQLite, all the same.
  if (code.startsWith('SQLITE_READONLY'))
    return new Refusal(
      'data-folder',
      'The file lookaside.db can be read, but not written: it is damaged or belongs to another user; docs/recovery.md says what to do',
      { cause: error },
    )
  return error
}
