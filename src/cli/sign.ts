import { Command } from 'commander'
import { printable } from '../printable.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference, parseReference } from '../reference/reference.ts'
import { type Location, requireStorable } from '../reference/tree-path.ts'
import { Refusal } from '../refusal.ts'
import { type Cli, explain, note, print, printJson, printOctets } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { type DigestOptions, digestOf, identityOf, manifestsOf, onImage } from './image.ts'
import { tell, upload } from './push.ts'
import { type ServerClient, serverClient } from './server-client.ts'
import { onServer, type ServerOptions, uploadAccess } from './server-options.ts'
import { stage, writeNew } from './signature-files.ts'
import { type Signer, signed, signerOf } from './signer.ts'

interface SignOptions extends ServerOptions, DigestOptions {
  by?: string
  signerCommand?: string
  all?: boolean
  attestations?: boolean
  output?: string
  push?: boolean
  json?: boolean
}

export function signCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  const command = new Command('sign')
    .description('sign an image with a key of your gpg (agent, smartcard, HSM), or another signer')
    .argument('<image>', 'as clients name it, with its tag; name:tag@digest names the digest as well')
    .option('--by <key>', 'the key, as gpg knows it: best its fingerprint')
    .option(
      '--signer-command <command>',
      'instead of gpg: what makes of a claim on its input a signed message on its output',
    )
  return onServer(onImage(command))
    .option('--all', 'sign the index of an image of several platforms, and what clients verify: each in it')
    .option('--attestations', 'with --all: sign its attestations too, for clients that copy the whole image')
    .option(
      '--output <file>',
      'where to put the signature; - is standard output; with --all a staging folder',
    )
    .option('--push', 'upload the signature')
    .option('--json', 'print a JSON document')
    .action(async (image: string, options: SignOptions) => ends(await sign(cli, image, options)))
}

async function sign(cli: Cli, image: string, options: SignOptions): Promise<ExitCode> {
  requireSense(options)
  const { push = false, all = false, json } = options
  const signer = signerOf(options, cli.env)
  const send = push ? serverClient(uploadAccess(cli.env, options)) : null
  const named = parseReference(image)
  const subjects = await subjectsOf(named, options, cli.env)
  const made = await signEach(subjects, signer, options)
  if (send) return pushEach(made, send, options)
  if (all && json) printJson(made.map(({ digest, platform, path }) => ({ digest, platform, path })))
  else if (all) for (const { path } of made) print(printable(path ?? ''))
  return exit.done
}

/** @throws Refusal configuration, before anybody is asked for a passphrase */
function requireSense({ output, push = false, all = false, attestations = false }: SignOptions): void {
  if (output === undefined && !push)
    throw new Refusal('configuration', 'Say where the signature goes: --output, --push, or both')
  if (all && output === '-') throw new Refusal('configuration', 'With --all, --output is a folder')
  if (attestations && !all) throw new Refusal('configuration', '--attestations is for --all')
}

/** What is signed: one manifest under one name. */
interface Subject {
  reference: ImageReference
  digest: Digest
  /** Null for what is no part of an index. */
  platform: string | null
}

/** Every instance before the index: who finds the index signed finds the rest signed as well. */
async function subjectsOf(
  named: ImageReference,
  options: SignOptions,
  env: NodeJS.ProcessEnv,
): Promise<Subject[]> {
  const reference = identityOf(named)
  const manifests = await manifestsOf(named, options, env)
  if (!options.all) {
    const digest = manifests?.digest ?? (await digestOf(named, options, env))
    if (manifests?.isIndex) note(indexAlone(manifests.instances.length))
    return [{ reference, digest, platform: null }]
  }
  if (!manifests)
    throw new Refusal('configuration', '--all needs the index: --from-registry, --oci-layout or --manifest')
  const { digest: top, instances } = manifests
  const chosen = instances.filter(({ isAttestation }) => options.attestations || !isAttestation)
  const leftOut = instances.length - chosen.length
  if (leftOut > 0)
    note(
      `lookaside: ${leftOut} attestations are left out, which no client runs; --attestations signs them too`,
    )
  const subjects = chosen.map(({ digest, platform }) => ({ reference, digest, platform }))
  if (!subjects.some(({ digest }) => digest === top))
    subjects.push({ reference, digest: top, platform: null })
  for (const subject of subjects) requireStorable(locationOf(subject))
  return subjects
}

function indexAlone(count: number): string {
  return (
    `lookaside: this signs the index alone. Clients verify the ${count} manifests in it, and never the index: ` +
    '--all signs those too'
  )
}

function locationOf({ reference: { path }, digest }: Subject): Location {
  return { kind: 'repository', name: path, digest }
}

interface Made extends Subject {
  signature: Uint8Array
  /** The file it was written to; null where there is none. */
  path: string | null
}

async function signEach(
  subjects: Subject[],
  signer: Signer,
  { all = false, output }: SignOptions,
): Promise<Made[]> {
  const made: Made[] = []
  try {
    for (const subject of subjects) {
      const signature = await signed(subject, signer)
      // Known before it is written: it is not lost where that fails.
      const one: Made = { ...subject, signature, path: null }
      made.push(one)
      if (all && output !== undefined) one.path = await stage(output, locationOf(subject), signature)
      else one.path = await write(output, signature)
    }
  } catch (error) {
    await keep(made)
    throw error
  }
  return made
}

async function write(output: string | undefined, signature: Uint8Array): Promise<string | null> {
  if (output === undefined) return null
  if (output === '-') await printOctets(signature)
  else await writeNew(output, signature)
  return output === '-' ? null : output
}

async function pushEach(made: Made[], send: ServerClient, { json }: SignOptions): Promise<ExitCode> {
  const results: Parameters<typeof tell>[0]['results'] = []
  const unsent: Made[] = []
  let failure: Error | null = null
  let stopped = false
  for (const one of made) {
    const path = one.path ?? nameOf(one)
    if (stopped) {
      results.push({ path, outcome: 'untried' })
      unsent.push(one)
      continue
    }
    try {
      const result = await upload(send, { path, body: one.signature })
      results.push(result)
      if (result.outcome === 'refused') unsent.push(one)
      // No other would fare better with that token.
      stopped = result.outcome === 'refused' && result.status === 401
    } catch (error) {
      failure = error as Error
      stopped = true
      results.push({ path, outcome: 'failed', detail: failure.message })
      unsent.push(one)
    }
  }
  await keep(unsent)
  return tell({ results, failure }, json)
}

function nameOf({ reference, platform }: Subject): string {
  return `${formatReference(reference)}${platform === null ? '' : ` (${platform})`}`
}

/**
 * A signature may have cost a walk to the safe: it is not thrown away because the server is not there. Where it cannot be
 * kept either, that is told beside what went wrong before, and not instead of it.
 */
async function keep(made: readonly Made[]): Promise<void> {
  const lost = made.filter(({ path }) => path === null)
  if (!lost.length) return
  const now = Date.now()
  let kept = 0
  try {
    if (lost.length === 1 && lost[0]) {
      await writeNew(`signature-${now}`, lost[0].signature)
      note(`lookaside: the signature is in signature-${now}; upload it with push`)
      return
    }
    for (; kept < lost.length; kept++) {
      const one = lost[kept] as Made
      await stage(`signatures-${now}`, locationOf(one), one.signature)
    }
  } catch (error) {
    const what = lost.length === 1 ? 'the signature' : `${lost.length - kept} of ${lost.length} signatures`
    note(`lookaside: ${what} could not be kept: ${explain(error)}`)
  }
  if (kept) note(`lookaside: ${kept} signatures are in signatures-${now}; upload them with push`)
}
