import { Gauge, Registry } from 'prom-client'
import type { Stretch } from '../../openpgp/key-state.ts'
import type { Storage } from '../../storage/storage.ts'
import type { TreeLags } from '../../tree/lag.ts'

export interface DataFolderMetricsOptions {
  storage: Pick<Storage, 'head' | 'sizes' | 'keyring'>
  lags: TreeLags
  /** When the certificate that is served expires, in Unix milliseconds; null: none is. */
  certificateExpires(): number | null
  version: string
}

/** Of more keys than this, those that expire first are shown. */
const maxKeys = 500

/** What is the same for every process of a data folder, looked up when it is asked for. */
export function dataFolderMetrics(options: DataFolderMetricsOptions): Registry {
  const { storage, lags, certificateExpires, version } = options
  const registry = new Registry()
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    measure: () => Promise<{ value: number; labels?: Partial<Record<Label, string>> }[]>,
  ) =>
    new Gauge({
      name: `lookaside_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset()
        // What cannot be measured has no value, and the rest is told all the same.
        const values = await measure().catch(() => [])
        if (!labelNames.length && !values.length) this.remove()
        for (const { labels = {}, value } of values) this.set(labels as Record<Label, string>, value)
      },
    })

  gauge('build_info', 'Which program this is.', ['version', 'node'], async () => [
    { value: 1, labels: { version, node: process.versions.node } },
  ])
  gauge('log_head', 'The number of the last change.', [], async () => [{ value: (await storage.head()).seq }])
  gauge('database_bytes', 'What the database takes on disk.', ['file'], async () => {
    const { database, log } = await storage.sizes()
    return [
      { value: database, labels: { file: 'database' } },
      { value: log, labels: { file: 'wal' } },
    ]
  })
  const lagged = async (part: 'changes' | 'seconds') =>
    (await lags()).flatMap(({ name, lag }) => (lag ? [{ value: lag[part], labels: { tree: name } }] : []))
  gauge(
    'tree_lag_changes',
    'Changes that a tree has not; tree names a published directory, or is "tree".',
    ['tree'],
    () => lagged('changes'),
  )
  gauge('tree_lag_seconds', 'How long ago the first of them was made.', ['tree'], () => lagged('seconds'))
  gauge('tree_up', 'Whether a tree can be looked at.', ['tree'], async () =>
    (await lags()).map(({ name, lag }) => ({ value: lag ? 1 : 0, labels: { tree: name } })),
  )
  gauge(
    'key_expiry_timestamp_seconds',
    'When a key of the policies and gates can no longer make signatures that count; of many, the first.',
    ['fingerprint'],
    async () =>
      (await storage.keyring())
        .map(({ fingerprint, timeline }) => ({ value: expiryOf(timeline), labels: { fingerprint } }))
        .filter((key): key is typeof key & { value: number } => key.value !== null)
        .sort((one, other) => one.value - other.value)
        .slice(0, maxKeys),
  )
  gauge(
    'certificate_expiry_timestamp_seconds',
    'When the certificate that is served expires.',
    [],
    async () => {
      const expires = certificateExpires()
      return expires === null ? [] : [{ value: expires / 1000 }]
    },
  )
  return registry
}

/** In Unix seconds; null: it never does, or never could sign. */
export function expiryOf(timeline: readonly Stretch[]): number | null {
  const last = timeline.findLastIndex(({ state }) => state === 'good')
  const next = timeline[last + 1]
  return last >= 0 && next?.state === 'key-expired' ? next.from : null
}
