import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { MirrorConfig } from '../config/config.ts'
import { giveWay } from '../give-way.ts'
import { openSqlite } from '../storage/sqlite/sqlite.ts'
import { followOperatorTrust } from '../trust/operator.ts'
import { sourceName } from './destination.ts'
import { pause } from './fetch.ts'
import { runMirror } from './mirror.ts'
import type { MirrorNews } from './news.ts'
import { newStatus } from './status.ts'
import type { MirrorsThreadData } from './thread.ts'
import { oneLine } from './trouble.ts'

/** The thread of the mirrors: what they fetch is read and admitted here. The trouble of one is none of the others. */
giveWay('admission')
const port = parentPort as MessagePort
const {
  dataFolder,
  rules,
  trust: settings,
  mirrors,
  graceSeconds,
  userAgent,
} = workerData as MirrorsThreadData
const storage = openSqlite({ dataFolder })
const stopping = new AbortController()
const { signal } = stopping

/** How soon a change of a keyring of the operator is in force. */
const lookMilliseconds = 1000

/** A mirror that cannot start, such as without a policy that can be used, tries again. */
const startMilliseconds = 10_000

port.on('message', () => stopping.abort())

const onNews = (news: MirrorNews) => port.postMessage(news)

// What is wrong with these files is told by the admission thread.
const operator = await followOperatorTrust(settings, {
  everyMs: lookMilliseconds,
  onChange() {},
  onError() {},
})
const context = { storage, rules, graceSeconds, userAgent, keyring: () => operator.current().keyring }

async function keep(mirror: MirrorConfig): Promise<void> {
  const { from, prefix } = mirror
  while (!signal.aborted) {
    try {
      await runMirror(mirror, context, { follow: true, signal, onNews })
    } catch (error) {
      const problem = oneLine(error)
      onNews({ level: 'error', news: 'a mirror cannot run; it is tried again', about: { from, problem } })
      const status = { ...newStatus(from, prefix), state: 'failing' as const, lastError: problem }
      await storage.setSourceStatus(sourceName(mirror), JSON.stringify(status)).catch(() => {})
      await pause(startMilliseconds, signal)
    }
  }
}

await Promise.all(mirrors.map(keep))
operator.stop()
await storage.close()
port.close()
