import { type AdmissionRules, admission } from '../admission/admit.ts'
import { newTrail } from '../admission/trail.ts'
import type { MirrorConfig } from '../config/config.ts'
import { readCaFile } from '../net/ca-file.ts'
import { readBearerFile } from '../net/token-file.ts'
import type { Keyring } from '../openpgp/keyring.ts'
import { Refusal } from '../refusal.ts'
import type { Lease, Storage } from '../storage/storage.ts'
import { followOperatorTrust } from '../trust/operator.ts'
import { keepCopying } from './attempts.ts'
import { destination, leaseName, sourceName } from './destination.ts'
import { detectSource } from './detect.ts'
import { waitSeconds } from './feed.ts'
import { newFetch, pause } from './fetch.ts'
import { type MirrorNews, type Tell, teller } from './news.ts'
import { type MirrorNotes, openNotes } from './notes.ts'
import type { Destination, Fetch, Progress } from './source.ts'
import { type MirrorStatus, mirrorStatuses, newStatus, type StatusKeeper, statusKeeper } from './status.ts'
import { oneLine } from './trouble.ts'

export interface MirrorContext {
  storage: Storage
  rules: AdmissionRules
  /** The keys of the operator: what they say of each signature is stored with it. */
  keyring: () => Keyring
  graceSeconds: number
  userAgent: string
  clock?: () => number
}

export interface MirrorOptions {
  /** Goes on until `signal` says so. */
  follow: boolean
  signal: AbortSignal
  onProgress?(progress: Progress): void
  onNews?(news: MirrorNews): void
}

/** How soon a change of the policy is in force. */
const lookMilliseconds = 1000

/** How soon a mirror is taken over from a process that ended. */
const leaseMilliseconds = 1000

/** One run, and what its parts share. */
interface Run {
  mirror: MirrorConfig
  options: MirrorOptions
  status: StatusKeeper
  notes: MirrorNotes
  tell: Tell
  userAgent: string
  clock: () => number
}

/**
 * Keeps a copy of what a source has, once or for as long as `signal` lets it. What comes in is decided by the mirror's
 * own policy, as its files are at that moment. Of several processes on a data folder one runs a mirror.
 * @returns what it tells of itself at the end; its state is `held` or `current`, where it was not to follow
 * @throws Refusal policy, keyring: it does not start without a policy that can be used; busy: another process runs it;
 *   without `follow`, what keeps the source from being read
 */
export async function runMirror(
  mirror: MirrorConfig,
  context: MirrorContext,
  options: MirrorOptions,
): Promise<MirrorStatus> {
  const lease = await takeLease(context.storage, sourceName(mirror), options)
  if (!lease) return newStatus(mirror.from, mirror.prefix)
  try {
    return await runAlone(mirror, context, options)
  } finally {
    lease.release()
  }
}

async function runAlone(
  mirror: MirrorConfig,
  context: MirrorContext,
  options: MirrorOptions,
): Promise<MirrorStatus> {
  const { storage, rules, keyring, graceSeconds, userAgent, clock = Date.now } = context
  const source = sourceName(mirror)
  const status = statusKeeper(storage, source, await statusAtStart(storage, mirror))
  const trail = newTrail({ write: storage.record, clock })
  let stop = () => {}
  try {
    const trust = await followPolicy(mirror, options)
    stop = trust.stop
    const admit = admission(storage, rules, () => ({ uploads: trust.current().uploads, keyring: keyring() }))
    const notes = await openNotes(storage, source, clock)
    const tell = teller(mirror.from, options.onNews)
    const run: Run = { mirror, options, status, notes, tell, userAgent, clock }
    const target = reporting(
      destination({ storage, admit, mirror, notes, status, trail, graceSeconds, clock }),
      run,
    )
    await keepCopying(() => copyOnce(target, run), run)
    return status.current()
  } catch (error) {
    status.update({ state: 'failing', lastError: oneLine(error) })
    throw error
  } finally {
    stop()
    await trail.close()
    await status.close()
  }
}

async function takeLease(
  storage: Storage,
  source: string,
  { follow, signal }: MirrorOptions,
): Promise<Lease | null> {
  for (;;) {
    const lease = await storage.lease(leaseName(source))
    if (lease || signal.aborted) return lease
    if (!follow) throw new Refusal('busy', 'Another process, such as a server, runs this mirror')
    await pause(leaseMilliseconds, signal)
  }
}

/** What is known of the copy outlives the process. */
async function statusAtStart(storage: Storage, { from, prefix }: MirrorConfig): Promise<MirrorStatus> {
  const status = newStatus(from, prefix)
  const before = (await mirrorStatuses(storage)).find((each) => each.from === from && each.prefix === prefix)
  if (!before) return status
  const { kind, lastCurrent, lastContact, lastChange } = before
  return { ...status, kind, lastCurrent, lastContact, lastChange }
}

/** A mirror always has a policy: `uploads` of what is returned is never null. */
function followPolicy({ from, policy }: MirrorConfig, { onNews = () => {} }: MirrorOptions) {
  return followOperatorTrust(
    { policy, gates: {} },
    {
      everyMs: lookMilliseconds,
      onChange({ warnings }) {
        for (const problem of warnings)
          onNews({
            level: 'warn',
            news: 'something in the policy of a mirror is left out',
            about: { from, problem },
          })
      },
      onError(file, { message: problem }) {
        const news = 'the policy of a mirror cannot be used; the last good one stays in force'
        onNews({ level: 'error', news, about: { from, policy: file, problem } })
      },
    },
  ).catch((cause) => {
    throw cause instanceof Refusal ? new Refusal(cause.code, `${policy}: ${cause.message}`, { cause }) : cause
  })
}

/** The files of CA and token are read each time, so that they may change. */
async function copyOnce(target: Destination, run: Run): Promise<void> {
  const { mirror, options, status, notes, tell, userAgent, clock } = run
  const { from, ca, tokenFile } = mirror
  const { follow, signal } = options
  const connection = newFetch({
    from,
    ca: ca === undefined ? [] : [readCaFile(ca)],
    token: tokenFile === undefined ? null : readBearerFile(tokenFile),
    userAgent,
  })
  const fetch: Fetch = async (path, request) => {
    const answer = await connection.fetch(path, request)
    status.update({ lastContact: clock() })
    return answer
  }
  try {
    const source = await detectSource(mirror, { fetch, userAgent, signal })
    if (source.kind !== notes.kind) await notes.set({ kind: source.kind })
    status.update({ kind: source.kind, state: 'copying' })
    const began = clock()
    await source.copy(target, { follow, signal })
    if (signal.aborted) return
    status.update({ state: 'current', lastCurrent: began, lastError: null })
    tell.current()
  } finally {
    await connection.close()
  }
}

/** A source that has a log says itself when the copy is complete. */
function reporting(target: Destination, { options, status, tell, clock }: Run): Destination {
  return {
    ...target,
    report(progress) {
      target.report(progress)
      options.onProgress?.(progress)
      const { lagChanges } = progress
      if (lagChanges === undefined || lagChanges === null) return
      if (lagChanges > 0) return status.update({ state: 'copying' })
      const lastCurrent = clock()
      const nextContact = lastCurrent + waitSeconds * 1000
      status.update({ state: 'current', lastCurrent, nextContact, lastError: null })
      tell.current()
    },
  }
}
