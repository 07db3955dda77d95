import type { Principal } from '../access/principal.ts'
import type { Admit } from '../admission/admit.ts'
import { type Contribution, isOfOneSignature, nameOf, newContribution } from '../admission/contribution.ts'
import type { Repository } from '../reference/repository.ts'
import { Refusal, type RefusalCode } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import { commandLine, type Origin } from '../storage/audit.ts'
import type { Storage } from '../storage/storage.ts'
import type { Scope } from './head.ts'
import type { Entry } from './lines.ts'
import type { UntrustedBundle } from './read.ts'
import { newRemovals } from './removals.ts'
import { requireSameSigner, type Signer } from './signed.ts'
import { formatState, parseState, requireContinuity, sourceName, stateAfter } from './state.ts'

/** What became of a bundle. */
export interface BundleReport {
  epoch: string
  scope: Scope
  /** Changes after `from` up to `to`. */
  from: number
  to: number
  added: number
  present: number
  /** Those that are no longer served here, because the bundle says that they are not where it is from. */
  removed: number
  leftOut: number
  /** How often each reason was met. */
  reasons: Partial<Record<RefusalCode, number>>
  /** The first ten thousand. */
  refused: LeftOut[]
  /** The first thousand, each once. */
  warnings: string[]
}

export interface LeftOut {
  repository: string
  digest: string
  identity: string
  code: RefusalCode
  detail: string
}

export interface BundleImportOptions {
  admit: Admit
  storage: Pick<
    Storage,
    'lease' | 'confirm' | 'retract' | 'unconfirmed' | 'contributed' | 'sourceState' | 'setSourceState'
  >
  /** Everything is put below it; null: where it was. */
  prefix: Repository | null
  /** Of a signature. */
  maxBytes: number
  /** Who has signed it; null: nobody verified it. */
  signer: Signer | null
  /** Whoever has signed those before, from now on it is this one. */
  newSigner: boolean
  allowOlder: boolean
  /** It may take away most of what those before have brought. */
  acceptRemovals: boolean
  /** How long the last slot stays where it was, when another signature has gone. */
  graceSeconds: number
  onProgress?: (done: number) => void
}

const maxRefusedShown = 10_000
const maxWarnings = 1000

/** A bundle is no signer: what it brings keeps the place that it had, and admission asks the policy as of any upload. */
const bundleOrigin: Origin = { ...commandLine, door: 'bundle' }

const importer: Principal = { name: 'import', scopes: [{ action: 'admin' }] }

interface Import extends BundleImportOptions {
  source: { name: string; round: number }
  contribution: Contribution
  report: BundleReport
}

/**
 * Takes in a bundle, through admission alone. A signature is here as long as the bundles of its log have it, somebody
 * else has it, or it was uploaded here. After an interruption the same import again comes to the same end.
 * @throws Refusal bundle-not-signed, bundle-gap, bundle-older, before anything is taken in; bundle-removes-most, before
 * anything is removed; bundle-invalid, busy, disk-full at any time: what was admitted until then stays. What is wrong with
 * one signature is in the report
 */
export async function importBundle(
  bundle: UntrustedBundle,
  options: BundleImportOptions,
): Promise<BundleReport> {
  const lease = await options.storage.lease('bundle')
  if (!lease) throw new Refusal('busy', 'Another bundle is being imported into this data folder')
  try {
    return await importAlone(bundle, options)
  } finally {
    lease.release()
  }
}

async function importAlone(bundle: UntrustedBundle, options: BundleImportOptions): Promise<BundleReport> {
  const { head } = bundle
  const { storage, prefix, allowOlder, signer, newSigner, graceSeconds, acceptRemovals } = options
  const name = sourceName(head, prefix)
  const before = parseState(await storage.sourceState(name))
  requireSameSigner(before.signer, signer, { newSigner })
  requireContinuity(head, before, { allowOlder })
  // What an earlier import saw and did not end with says nothing of this bundle.
  const state = { ...before, round: before.round + 1 }
  await storage.setSourceState(name, formatState(state))

  const { epoch, scope, from, to } = head
  const report: BundleReport = {
    epoch,
    scope,
    from: from.seq,
    to: to.seq,
    added: 0,
    present: 0,
    removed: 0,
    leftOut: 0,
    reasons: {},
    refused: [],
    warnings: [],
  }
  if (signer && before.signer !== null && signer.primary !== before.signer)
    warn(
      report,
      `Bundles of this log were signed by ${before.signer} until now, and are by ${signer.primary} from now on`,
    )
  const source = { name, round: state.round }
  const contribution = newContribution({
    storage,
    source: name,
    prefix: prefix ?? '',
    why: {
      actor: name,
      reason: `not served any more at change ${to.seq} of its source`,
      graceSeconds,
      origin: bundleOrigin,
    },
  })
  const run: Import = { ...options, source, contribution, report }
  const removals = newRemovals(contribution, {
    round: state.round,
    before: before.size,
    isAccepted: acceptRemovals,
  })
  // Additions come first, so that what supersedes a signature is there before that goes.
  for await (const part of bundle.parts()) {
    if (part.kind === 'signatures') await takeSignatures(run, part.entries, part.blobs)
    else report.removed += await removals.gather(part.gone)
  }
  report.removed += scope === 'whole' ? await removals.takeMissing() : await removals.takeGathered()
  await storage.setSourceState(
    name,
    formatState(
      stateAfter(head, state, { size: await contribution.size(), signer: signer?.primary ?? null }),
    ),
  )
  return report
}

async function takeSignatures(
  run: Import,
  entries: readonly Entry[],
  blobs: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const { contribution, source, report, onProgress } = run
  const named = new Map(entries.map((entry) => [nameOf(entry), entry]))
  const { ours, others } = await contribution.confirm([...named.values()], source.round, (entry) =>
    leaveOut(run, entry, new Refusal('name-too-long', `It does not fit below ${run.prefix}`)),
  )
  report.present += ours.length

  // Many at once share a commit; those of one digest keep their order.
  const byDigest = Map.groupBy(others, ({ repository, digest }) => `${repository}@${digest}`)
  const ends = await Promise.allSettled(
    [...byDigest.values()].map(async (same) => {
      for (const entry of same) await take(run, entry, blobs.get(entry.sha256) as Uint8Array)
    }),
  )
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  onProgress?.(report.added + report.present + report.leftOut)
}

async function take(run: Import, entry: Entry, bytes: Uint8Array) {
  const { admit, source, contribution, report, maxBytes } = run
  try {
    if (bytes.length > maxBytes)
      throw new Refusal('too-large', `It has ${bytes.length} bytes; uploads.maxBytes is ${maxBytes}`)
    // Else the bundle could later tell of the withdrawal of another signature than it brought.
    if (readSignature(bytes).identity !== entry.identity)
      throw new Refusal('bundle-invalid', 'It is not the signature that the bundle calls it')
    const { outcome, warnings } = await admit({
      bytes,
      principal: importer,
      actor: source.name,
      origin: bundleOrigin,
      repository: contribution.here(entry.repository),
      digest: entry.digest,
      source,
    })
    report[outcome]++
    for (const warning of warnings) warn(report, warning)
  } catch (error) {
    if (!isOfOneSignature(error)) throw error
    leaveOut(run, entry, error)
  }
}

function leaveOut(
  { report }: Import,
  { repository, digest, identity }: Entry,
  { code, message: detail }: Refusal,
): void {
  report.leftOut++
  report.reasons[code] = (report.reasons[code] ?? 0) + 1
  if (report.refused.length < maxRefusedShown)
    report.refused.push({ repository, digest, identity, code, detail })
}

function warn({ warnings }: BundleReport, warning: string): void {
  if (warnings.length < maxWarnings && !warnings.includes(warning)) warnings.push(warning)
}
