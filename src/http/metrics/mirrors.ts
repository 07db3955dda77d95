import { Counter, Gauge, Registry } from 'prom-client'
import { lagSeconds, type MirrorStatus, mirrorStatuses } from '../../mirror/status.ts'
import type { Sources } from '../../storage/sources.ts'

export interface MirrorMetricsOptions {
  storage: Pick<Sources, 'sources'>
  /** Those of the configuration: no others become labels. */
  mirrors: readonly { from: string; prefix: string }[]
  clock(): number
}

/** Asked for anew each time: the process that answers need not be the one that runs the mirrors. */
export function mirrorMetrics({ storage, mirrors, clock }: MirrorMetricsOptions): Registry {
  const registry = new Registry()
  if (!mirrors.length) return registry
  const labelNames = ['from', 'prefix'] as const
  const statuses = async () =>
    (await mirrorStatuses(storage)).filter(({ from, prefix }) =>
      mirrors.some((mirror) => mirror.from === from && mirror.prefix === prefix),
    )
  const gauge = (name: string, help: string, measure: (status: MirrorStatus) => number | null) =>
    new Gauge({
      name: `lookaside_mirror_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset()
        for (const status of await statuses()) {
          const value = measure(status)
          if (value !== null) this.set({ from: status.from, prefix: status.prefix }, value)
        }
      },
    })
  gauge('up', 'Whether the source can be followed at present.', ({ state }) =>
    state === 'current' || state === 'copying' ? 1 : 0,
  )
  gauge('held', 'Whether removals wait for a confirmation.', ({ state }) => (state === 'held' ? 1 : 0))
  gauge('lag_changes', 'Changes of the source that are still to come.', ({ lagChanges }) => lagChanges)
  gauge('lag_seconds', 'How old the copy is; 0 while it is known to be complete.', (status) =>
    lagSeconds(status, clock()),
  )
  gauge('last_contact_timestamp_seconds', 'When the source last answered.', ({ lastContact }) =>
    lastContact === null ? null : lastContact / 1000,
  )
  new Counter({
    name: 'lookaside_mirror_refused_total',
    help: 'Signatures of the source that were refused.',
    labelNames: [...labelNames, 'code'],
    registers: [registry],
    async collect() {
      this.reset()
      for (const { from, prefix, refused } of await statuses())
        for (const [code, count] of Object.entries(refused)) this.inc({ from, prefix, code }, count)
    },
  })
  return registry
}
