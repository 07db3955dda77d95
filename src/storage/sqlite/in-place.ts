import { statSync } from 'node:fs'
import { Refusal } from '../../refusal.ts'

/** While somebody has the database open, each of them stays the file that it is (sqlite.org/howtocorrupt.html, 4.3 and 4.4). */
const endings = ['', '-wal', '-shm']

/**
 * To be called where the database is open. What it returns throws where one of its files was moved, replaced or removed:
 * what is committed then goes to files without a name, and is lost with this process.
 * @throws Refusal data-folder
 */
export function keepInPlace(file: string): () => void {
  const places = () =>
    endings.map((ending) => {
      const found = statSync(file + ending, { bigint: true, throwIfNoEntry: false })
      return found ? `${found.dev}:${found.ino}` : 'none'
    })
  const before = places()
  return () => {
    const now = places()
    const moved = endings.findIndex((_, index) => now[index] !== before[index])
    if (moved >= 0)
      throw new Refusal(
        'data-folder',
        `The file lookaside.db${endings[moved]} was moved, replaced or removed while it was open: nothing is taken until the server is started again`,
      )
  }
}
