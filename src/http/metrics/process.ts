import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { RefusalCode } from '../../refusal.ts'
import type { ReadCounts } from '../reads.ts'
import type { App } from '../server.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Of an upload that was taken. */
    admitted: 'added' | 'present' | null
    /** Why the request was refused; `internal`: it failed. */
    refusedAs: RefusalCode | 'internal' | null
  }
}

export interface ProcessMetricsOptions {
  reads: ReadCounts
  /** Uploads that wait for the admission thread, and that it has. */
  depth(): { waiting: number; underWay: number }
}

/** The doors for signatures. */
const uploadRoutes = new Set(['POST /api/v1/signatures', 'PUT /signatures/*', 'PUT /extensions/v2/*'])

/** Seconds: from what is in memory to what waits for a long poll. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** What this process counts: labels are methods, patterns of routes, and codes, of which there are few. */
export function processMetrics(app: App, { reads, depth }: ProcessMetricsOptions): Registry {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  new Counter({
    name: 'lookaside_reads_total',
    help: 'Requests for slots, by how they were answered.',
    labelNames: ['status'],
    registers,
    collect() {
      this.reset()
      this.inc({ status: '200' }, reads.ok)
      this.inc({ status: '304' }, reads.notModified)
      this.inc({ status: '404' }, reads.notFound)
      this.inc({ status: '500' }, reads.failed)
    },
  })
  const uploads = new Counter({
    name: 'lookaside_uploads_total',
    help: 'Uploads, by what became of them; code is why they were refused, or failed.',
    labelNames: ['outcome', 'code'],
    registers,
  })
  const durations = new Histogram({
    name: 'lookaside_request_duration_seconds',
    help: 'From the headers of a request to the end of its answer; reads of slots are not in it.',
    labelNames: ['method', 'route', 'status'],
    buckets,
    registers,
  })
  new Gauge({
    name: 'lookaside_admission_queue',
    help: 'Uploads that wait for the admission thread, and that it has at present.',
    labelNames: ['state'],
    registers,
    collect() {
      const { waiting, underWay } = depth()
      this.set({ state: 'waiting' }, waiting)
      this.set({ state: 'under-way' }, underWay)
    },
  })

  app.decorateRequest('admitted', null)
  app.decorateRequest('refusedAs', null)
  const count = (method: string, route: string | undefined, labels: { outcome: string; code: string }) => {
    if (uploadRoutes.has(`${method} ${route}`)) uploads.inc(labels)
  }
  app.addHook('onResponse', async ({ method, routeOptions: { url }, admitted, refusedAs }, reply) => {
    const status = `${Math.floor(reply.statusCode / 100)}xx`
    durations.observe(
      url === undefined ? { method: 'any', route: 'none', status } : { method, route: url, status },
      reply.elapsedTime / 1000,
    )
    const outcome = admitted ?? (refusedAs === 'internal' ? 'failed' : 'refused')
    count(method, url, { outcome, code: refusedAs ?? '' })
  })
  // Those whose body did not come to its end, which nobody has answered.
  app.addHook('onRequestAbort', async ({ method, routeOptions: { url } }) => {
    count(method, url, { outcome: 'failed', code: 'aborted' })
  })
  return registry
}
