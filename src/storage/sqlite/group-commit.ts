import { Refusal } from '../../refusal.ts'
import type { Connection } from './connection.ts'

/** A commit holds the only write lock: it must not grow without bound. */
const jobsPerCommit = 256

export type Write = <T>(job: () => T) => Promise<T>

/**
 * Runs jobs that write, many to one commit: what is asked for while a commit is under way shares the next one.
 * A promise resolves when its job is durable. A job that throws has changed nothing and takes no other down with it.
 */
export function groupCommit(db: Connection): Write {
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const savepoint = db.prepare('SAVEPOINT job')
  const undo = db.prepare('ROLLBACK TO job')
  const release = db.prepare('RELEASE job')
  let queue: { job: () => unknown; resolve: (value: unknown) => void; reject: (error: unknown) => void }[] =
    []

  const flush = () => {
    const batch = queue.slice(0, jobsPerCommit)
    queue = queue.slice(jobsPerCommit)
    if (queue.length) setImmediate(flush)
    const answers: (() => void)[] = []
    try {
      begin.run()
      for (const { job, resolve, reject } of batch) {
        savepoint.run()
        try {
          const value = job()
          answers.push(() => resolve(value))
        } catch (error) {
          // SQLite itself has ended the transaction (disk full, I/O error): nothing of this batch can be kept.
          if (!db.inTransaction) throw error
          undo.run()
          answers.push(() => reject(asRefusal(error)))
        }
        release.run()
      }
      commit.run()
    } catch (error) {
      if (db.inTransaction) db.exec('ROLLBACK')
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
  return error
}
