import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { createClaim } from '../claim/claim.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import { note } from './cli.ts'
import { version } from './version.ts'

/** A program that makes of a claim on its input a signed message on its output. */
export interface Signer {
  name: string
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
}

/** The user's gpg, or another command of his. */
export function signerOf(
  { by, signerCommand }: { by?: string; signerCommand?: string },
  env: NodeJS.ProcessEnv,
): Signer {
  if ((by === undefined) === (signerCommand === undefined))
    throw new Refusal('configuration', 'Say who signs: --by KEY, or --signer-command COMMAND')
  if (signerCommand !== undefined)
    return { name: 'The signer', command: 'sh', args: ['-c', signerCommand], env }
  return gpg(['--no-armor', '--local-user', by as string, '--sign'], env)
}

function gpg(args: string[], env: NodeJS.ProcessEnv): Signer {
  const common = ['--batch', '--output', '-']
  return { name: 'gpg', command: 'gpg', args: [...common, ...args], env: { ...env, ...terminal(env) } }
}

/** An armored signature by a key of the user's gpg, apart from what it is over. */
export function signedDetached(content: Uint8Array, by: string, env: NodeJS.ProcessEnv): Promise<Uint8Array> {
  return runSigner(gpg(['--armor', '--local-user', by, '--detach-sign'], env), content)
}

/** Where a pinentry without windows asks for the passphrase: the standard input of gpg is the claim. */
function terminal(env: NodeJS.ProcessEnv): { GPG_TTY?: string } {
  if (env.GPG_TTY || !process.stdin.isTTY) return {}
  return { GPG_TTY: readlinkSync('/proc/self/fd/0') }
}

/** A signature that says what was asked for, and nothing else. */
export async function signed(
  { reference, digest }: { reference: ImageReference; digest: Digest },
  signer: Signer,
): Promise<Uint8Array> {
  const claim = createClaim({
    reference,
    digest,
    creator: `lookaside ${version}`,
    timestamp: Math.floor(Date.now() / 1000),
  })
  const { blob, claim: read, signer: by } = readSigned(await runSigner(signer, claim), signer)
  if (read.digest !== digest || read.dockerReference !== formatReference(reference))
    throw new Error(`${signer.name} signed another claim than it was given`)
  if (signer.command === 'gpg' && by)
    await warnOfSubkey(by.unverifiedFingerprint ?? by.unverifiedKeyId, signer)
  return blob
}

/** c/image before 5.38, which is that of Debian 12, takes no signatures by subkeys; gpg makes them wherever it can. */
async function warnOfSubkey(key: string, { command, env }: Signer): Promise<void> {
  const args = ['--batch', '--with-colons', '--list-keys', key]
  const listing = await outputOf(spawn(command, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })).catch(
    () => '',
  )
  const primary = /^fpr:(?:[^:]*:){8}([0-9A-F]+):/m.exec(String(listing))?.[1]
  if (primary === undefined || primary === key || primary.endsWith(key)) return
  note(
    `lookaside: it is by a subkey of ${primary}, which older clients do not accept; --by '${primary}!' is accepted by all`,
  )
}

function readSigned(output: Uint8Array, { name }: Signer) {
  try {
    return readSignature(output, { sigstoreJson: false })
  } catch (cause) {
    throw new Error(`What ${name} made is no signature: ${(cause as Error).message}`, { cause })
  }
}

async function runSigner({ name, command, args, env }: Signer, content: Uint8Array): Promise<Uint8Array> {
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  // A signer that fails before it has read everything says why by itself.
  child.stdin.on('error', () => {})
  child.stdin.end(content)
  return outputOf(child).catch((cause) => {
    throw new Error(`${name} ${cause.message}`, { cause })
  })
}

/** @throws where the program cannot be run, or does not end well */
async function outputOf(child: ChildProcessByStdio<Writable | null, Readable, null>): Promise<Uint8Array> {
  const ended = once(child, 'close').catch((cause: Error) => cause)
  const chunks: Buffer[] = []
  for await (const chunk of child.stdout) chunks.push(chunk)
  const end = await ended
  if (end instanceof Error) throw new Error(`cannot be run: ${end.message}`, { cause: end })
  const [code, signal] = end
  if (code !== 0) throw new Error(`did not sign: it ended with ${code ?? signal}`)
  return Buffer.concat(chunks)
}
