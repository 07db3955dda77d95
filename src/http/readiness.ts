import { setTimeout as wait } from 'node:timers/promises'
import type { AdmissionHealth } from '../admission/thread.ts'
import { Refusal } from '../refusal.ts'
import type { Reading } from '../storage/storage.ts'
import type { TreeLags } from '../tree/lag.ts'

/** Stable names. The details are for everybody: they name no file and no error of the machine; the log does. */
export const readinessProblems = {
  'database-unreadable': { effect: 'unready', detail: 'The database cannot be read' },
  'certificate-expired': { effect: 'unready', detail: 'The certificate that is served has expired' },
  'disk-full': { effect: 'no-uploads', detail: 'The disk of the data folder is full' },
  'database-not-writable': { effect: 'no-uploads', detail: 'The database cannot be written' },
  'database-busy': { effect: 'no-uploads', detail: 'Another program keeps the database from being written' },
  'admission-down': { effect: 'no-uploads', detail: 'The thread that admits uploads does not answer' },
  'tree-behind': {
    effect: 'no-uploads',
    detail: 'The files of the tree are far behind, or cannot be looked at',
  },
  'published-behind': {
    effect: 'degraded',
    detail: 'A published directory is far behind, or cannot be looked at',
  },
  'policy-broken': {
    effect: 'degraded',
    detail: 'A policy or keyring cannot be used as it is; the last good one is in force',
  },
} as const

export type ReadinessCode = keyof typeof readinessProblems

export interface ReadinessOptions {
  storage: Pick<Reading, 'head'>
  /** Resolves where an upload could be admitted now. */
  probe(): Promise<AdmissionHealth>
  lags: TreeLags
  /** When the certificate that is served expires, in Unix milliseconds; null: none is. */
  certificateExpires(): number | null
  clock(): number
  onError(error: unknown): void
}

export type Readiness = () => Promise<{
  head: number | null
  problems: { code: ReadinessCode; effect: 'degraded' | 'no-uploads' | 'unready'; detail: string }[]
}>

/** A commit is tried at most so often, however many ask. */
const probeEveryMilliseconds = 5000

/** So long a thread may take for it that has much to do. */
const probeDeadlineMilliseconds = 3000

/** A tree is far behind when it has for so long not had a change. */
const maxTreeLagSeconds = 300

export function readiness(options: ReadinessOptions): Readiness {
  const { storage, lags, certificateExpires, clock, onError } = options
  const admission = probing(options)

  const head = async () => {
    try {
      return (await storage.head()).seq
    } catch (error) {
      onError(error)
      return null
    }
  }

  const trees = async (): Promise<ReadinessCode[]> => {
    const behind = (await lags()).filter(({ lag }) => !lag || lag.seconds > maxTreeLagSeconds)
    return [...new Set(behind.map(({ name }) => (name === 'tree' ? 'tree-behind' : 'published-behind')))]
  }

  return async () => {
    const seq = await head()
    const expires = certificateExpires()
    const codes: ReadinessCode[] = [
      ...(seq === null ? (['database-unreadable'] as const) : []),
      ...(expires !== null && expires <= clock() ? (['certificate-expired'] as const) : []),
      ...(await admission()),
      ...(seq === null ? [] : await trees()),
    ]
    return { head: seq, problems: codes.map((code) => ({ code, ...readinessProblems[code] })) }
  }
}

/** What is found is told to everybody who asks within the time. */
function probing({ probe, onError }: ReadinessOptions): () => Promise<ReadinessCode[]> {
  let found: Promise<ReadinessCode[]> | null = null
  let isUnderWay = false
  let startedAt = Number.NEGATIVE_INFINITY

  const start = () => {
    startedAt = performance.now()
    isUnderWay = true
    found = probe()
      .then(
        ({ brokenPolicies }): ReadinessCode[] => (brokenPolicies.length ? ['policy-broken'] : []),
        (error): ReadinessCode[] => {
          const code = codeOf(error)
          if (code === 'database-not-writable') onError(error)
          return [code]
        },
      )
      .finally(() => {
        isUnderWay = false
      })
    return found
  }

  return () => {
    const age = performance.now() - startedAt
    // One that hangs is not asked again.
    const asked = found && (isUnderWay || age < probeEveryMilliseconds) ? found : start()
    const left = Math.max(0, probeDeadlineMilliseconds - (performance.now() - startedAt))
    if (!isUnderWay) return asked
    return Promise.race([asked, wait(left, ['admission-down'] as ReadinessCode[], { ref: false })])
  }
}

function codeOf(error: unknown): ReadinessCode {
  if (!(error instanceof Refusal)) return 'database-not-writable'
  if (error.code === 'disk-full') return 'disk-full'
  if (error.code === 'data-folder') return 'database-not-writable'
  // With a cause: the thread died of it.
  return error.code === 'busy' && error.cause === undefined ? 'database-busy' : 'admission-down'
}
