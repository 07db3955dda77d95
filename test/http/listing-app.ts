import { after } from 'node:test'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Database from 'better-sqlite3'
import fastify from 'fastify'
import { listingRoutes } from '../../src/http/listings.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Reading } from '../../src/storage/storage.ts'
import { newSignature } from '../storage/contract.ts'

/** A server of listings alone, on a storage that a test may get in the way of, by a clock of its own. */
export async function listingApp(storage: Pick<Reading, 'folder' | 'version'>, clock = Date.now) {
  const app = fastify().withTypeProvider<TypeBoxTypeProvider>()
  const everybody = { name: 'everybody', mayRead: () => true, mayReadActors: true }
  listingRoutes(app as never, {
    storage,
    readers: async () => everybody,
    reads: { cacheSeconds: 0, private: false },
    clock,
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  after(() => app.close())
  return { app, port: Number(new URL(url).port) }
}

/** Fills a new data folder with so many digests at team/app, of which all have the signature of the first, the number 2. */
export async function fillWithDigests(dataFolder: string, count: number): Promise<void> {
  const storage = openSqlite({ dataFolder })
  await storage.append(newSignature())
  await storage.close()
  const db = new Database(`${dataFolder}/lookaside.db`)
  db.pragma('synchronous = OFF')
  db.transaction(() => {
    db.exec(`DELETE FROM slots;
      DELETE FROM tree_backlog;
      WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= ${count})
        INSERT INTO locations (id, place, digest, version, changed) SELECT i, 1, printf('sha256:%064x', i), i, 1 FROM n;
      INSERT INTO slots (location, slot, signature, modified) SELECT id, 1, 1, 1 FROM locations WHERE id > 1;
      UPDATE signatures SET location = 2`)
  })()
  db.close()
}
