import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { createClaim } from '../claim/claim.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
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
  const args = ['--batch', '--no-armor', '--local-user', by as string, '--output', '-', '--sign']
  return { name: 'gpg', command: 'gpg', args, env: { ...env, ...terminal(env) } }
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
  const { blob, claim: read } = readSigned(await runSigner(signer, claim), signer)
  if (read.digest !== digest || read.dockerReference !== formatReference(reference))
    throw new Error(`${signer.name} signed another claim than it was given`)
  return blob
}

function readSigned(output: Uint8Array, { name }: Signer) {
  try {
    return readSignature(output, { sigstoreJson: false })
  } catch (cause) {
    throw new Error(`What ${name} made is no signature: ${(cause as Error).message}`, { cause })
  }
}

async function runSigner({ name, command, args, env }: Signer, claim: Uint8Array): Promise<Uint8Array> {
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close').catch((cause: Error) => cause)
  // A signer that fails before it has read the claim says why by itself.
  child.stdin.on('error', () => {})
  child.stdin.end(claim)
  const chunks: Buffer[] = []
  for await (const chunk of child.stdout) chunks.push(chunk)
  const end = await ended
  if (end instanceof Error) throw new Error(`${name} cannot be run: ${end.message}`, { cause: end })
  const [code, signal] = end
  if (code !== 0) throw new Error(`${name} did not sign: it ended with ${code ?? signal}`)
  return Buffer.concat(chunks)
}
