import { Command } from 'commander'
import { treePrefix } from '../http/reads.ts'
import { evaluate, type Outcome, type Trial, type TrialReason } from '../policy/evaluate.ts'
import { requirementsFor } from '../policy/scope.ts'
import { formatReference, type ImageReference, parseReference } from '../reference/reference.ts'
import { parseRepository, type Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import type { SignatureVerdict, Trust } from '../trust/trust.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import {
  type FoundSignature,
  findSignatures,
  type ReadSlot,
  slotsIn,
  type UnreadableSlot,
} from './found-signatures.ts'
import { type DigestOptions, digestOf, identityOf } from './image.ts'
import { printable } from './printable.ts'
import { slotReader } from './server-client.ts'
import { onServer, type ServerOptions, serverAccess } from './server-options.ts'

interface VerifyOptions extends ServerOptions, DigestOptions {
  policy?: string
  keys?: string[]
  tree?: string
  prefix?: string
  json?: boolean
}

export function verifyCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onServer(new Command('verify'))
    .description('is an image signed as a policy asks, and if not, what is missing')
    .argument('<image>', 'as clients name it; name:tag@digest names the digest as well')
    .option('--policy <file>', 'a policy.json, as clients have it')
    .option(
      '--keys <file>',
      'instead of a policy: a signature by any key in it is enough; may be given again',
      another,
    )
    .option('--digest <digest>', 'of the manifest in the registry')
    .option('--manifest <file>', 'the manifest in the registry, as skopeo inspect --raw prints it')
    .option('--tree <dir>', 'read the signatures there, without a server')
    .option('--prefix <path>', 'where the signatures of that registry are kept, if not at the top')
    .option('--json', 'print a JSON document')
    .action(async (image: string, options: VerifyOptions) => ends(await verify(cli, image, options)))
}

/** Of an option that may be given again. */
function another(value: string, earlier: string[] = []): string[] {
  return [...earlier, value]
}

type Answer = Outcome<FoundSignature, SignatureVerdict>

async function verify(cli: Cli, image: string, options: VerifyOptions): Promise<ExitCode> {
  const trust = await trustOf(options)
  const named = parseReference(image)
  const digest = await digestOf(named, options)
  const { signatures, unreadable } = await findSignatures(
    { kind: 'repository', name: repositoryOf(named, options), digest },
    readerOf(cli, options),
  )
  const question = { image: identityOf(named), digest }
  const { scope, requirements } = requirementsFor(trust.policy, question.image)
  const now = Date.now()
  const { passed, outcomes } = await evaluate(requirements, question, signatures, ({ blob }, requirement) =>
    trust.verify(blob, requirement, now),
  )
  const isPassed = passed && !unreadable.some(({ failsClients }) => failsClients)
  const report = { image: question.image, digest, scope, passed: isPassed, outcomes, signatures, unreadable }
  if (options.json) printJson(document(report))
  else tell(report)
  for (const warning of trust.warnings) note(printable(`lookaside: ${warning}`))
  return isPassed ? exit.done : exit.no
}

async function trustOf({ policy, keys }: VerifyOptions): Promise<Trust> {
  if ((policy === undefined) === (keys === undefined))
    throw new Refusal('configuration', 'Say what is asked of the image: --policy FILE, or --keys FILE')
  // Reading it costs a tenth of a second, which other commands need not spend.
  const { loadTrust, trustInKeys } = await import('../trust/trust.ts')
  return policy !== undefined ? loadTrust(policy) : trustInKeys(keys as string[])
}

function repositoryOf({ path }: ImageReference, { prefix }: VerifyOptions): Repository {
  return prefix === undefined ? path : parseRepository(`${parseRepository(prefix)}/${path}`)
}

function readerOf(cli: Cli, options: VerifyOptions): ReadSlot {
  if (options.tree !== undefined) return slotsIn(options.tree)
  const read = slotReader(serverAccess(cli.env, options))
  return (path) => read(`/${treePrefix}${path}`)
}

interface Report {
  image: ImageReference
  digest: string
  /** The place in the policy that asks something of the image. */
  scope: string
  passed: boolean
  outcomes: Answer[]
  signatures: FoundSignature[]
  unreadable: UnreadableSlot[]
}

function tell({ image, digest, scope, passed, outcomes, unreadable }: Report): void {
  print(printable(`${formatReference(image)}${image.digest ? '' : ` ${digest}`}, by ${scope}`))
  for (const outcome of outcomes) {
    const { place } = outcome.requirement
    print(printable(`${outcome.met ? 'met    ' : 'not met'}  ${place}: ${inWords(outcome)}`))
    for (const trial of outcome.met ? [] : outcome.tried)
      print(printable(`           signature-${trial.candidate.slot}: ${whyNot(trial).join('; ')}`))
  }
  for (const { slot, refusal, failsClients } of unreadable) {
    const what = failsClients ? 'is none, and clients fail at it' : 'does not count'
    print(printable(`${failsClients ? 'not met' : 'unread '}  signature-${slot} ${what}: ${refusal.message}`))
  }
  print(passed ? 'passed' : 'not passed')
}

function inWords(outcome: Answer): string {
  if (outcome.met) {
    if (!outcome.by) return 'anything is accepted'
    const { candidate, verdict } = outcome.by
    return `signature-${candidate.slot}, ${signer(verdict)}, signed ${date(verdict.created)}`
  }
  switch (outcome.reason) {
    case 'rejected':
      return 'the policy rejects the image'
    case 'not-supported':
      return `${outcome.requirement.type} is not supported here: nothing is known of it`
    case 'no-signature':
      return 'there is no signature'
    case 'none-accepted':
      return 'no signature counts'
  }
}

function whyNot({ candidate, verdict, reasons }: Trial<FoundSignature, SignatureVerdict>): string[] {
  const words: Record<TrialReason, string> = {
    format: 'it is in the sigstore form',
    verdict: verdict ? ofVerdict(verdict) : 'it was not verified',
    digest: `its claim is about ${candidate.claim.digest}`,
    identity: `its claim names ${candidate.claim.dockerReference}`,
  }
  return reasons.map((reason) => words[reason])
}

function ofVerdict(verdict: SignatureVerdict): string {
  const who = signer(verdict)
  switch (verdict.status) {
    case 'valid':
      return `it is by ${who}`
    case 'unknown-key':
      return 'it is by none of these keys'
    case 'bad':
      return `it is not what ${who} signed`
    case 'expired':
      return `it is by ${who} and has expired on ${date(verdict.expires ?? 0)}`
    case 'key-expired':
      return `the key of ${who} has expired`
    case 'revoked':
      return `the key of ${who} is revoked`
    case 'not-signing-key':
      return `the key of ${who} is not one for signatures`
    case 'weak':
      return `it is by ${who}, with an algorithm too weak to count`
    case 'unsupported':
      return `it uses what is not verified here (${who})`
  }
}

function signer({ primaryFingerprint, userId }: SignatureVerdict): string {
  return userId === null ? (primaryFingerprint ?? 'nobody') : `${userId} (${primaryFingerprint})`
}

function date(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000', '')
}

function document({ image, digest, scope, passed, outcomes, signatures, unreadable }: Report): unknown {
  const trial = ({ candidate, verdict, reasons }: Trial<FoundSignature, SignatureVerdict>) => {
    const { slot, claim } = candidate
    return { slot, reasons, verdict, claim: claim.document }
  }
  return {
    image: formatReference(image),
    digest,
    scope,
    passed,
    signatures: signatures.length,
    requirements: outcomes.map((outcome) => ({
      type: outcome.requirement.type,
      place: outcome.requirement.place,
      met: outcome.met,
      ...(outcome.met
        ? { by: outcome.by && { slot: outcome.by.candidate.slot, ...outcome.by.verdict } }
        : { reason: outcome.reason }),
      tried: outcome.tried.map(trial),
    })),
    unreadable: unreadable.map(({ slot, refusal: { code, message }, failsClients }) => ({
      slot,
      code,
      detail: message,
      failsClients,
    })),
  }
}
