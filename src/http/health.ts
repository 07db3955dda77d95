import type { Reading } from '../storage/storage.ts'
import type { App } from './server.ts'

/** Probes: alive is who answers; ready is who can read its database. */
export function healthRoutes(app: App, storage: Pick<Reading, 'head'>): void {
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/readyz', async () => ({ status: 'ok', head: (await storage.head()).seq }))
}
