import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { createClaim } from '../claim/claim.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference, parseReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { readSignature } from '../signature/signature.ts'
import { type Cli, note } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { type DigestOptions, digestOf, identityOf } from './image.ts'
import { tell, upload } from './push.ts'
import { serverClient } from './server-client.ts'
import { onServer, type ServerOptions, uploadAccess } from './server-options.ts'
import { version } from './version.ts'

interface SignOptions extends ServerOptions, DigestOptions {
  by?: string
  signerCommand?: string
  output?: string
  push?: boolean
  json?: boolean
}

export function signCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onServer(new Command('sign'))
    .description('sign an image with a key of your gpg (agent, smartcard, HSM), or another signer')
    .argument('<image>', 'as clients name it, with its tag; name:tag@digest names the digest as well')
    .option('--by <key>', 'the key, as gpg knows it: best its fingerprint')
    .option(
      '--signer-command <command>',
      'instead of gpg: what makes of a claim on its input a signed message on its output',
    )
    .option('--digest <digest>', 'of the manifest in the registry')
    .option('--manifest <file>', 'the manifest in the registry, as skopeo inspect --raw prints it')
    .option('--output <file>', 'where to put the signature; - is standard output')
    .option('--push', 'upload the signature')
    .option('--json', 'print a JSON document')
    .action(async (image: string, options: SignOptions) => ends(await sign(cli, image, options)))
}

async function sign(cli: Cli, image: string, options: SignOptions): Promise<ExitCode> {
  const { output, push = false, json } = options
  if (output === undefined && !push)
    throw new Refusal('configuration', 'Say where the signature goes: --output FILE, --push, or both')
  const signer = signerOf(options, cli.env)
  const access = push ? uploadAccess(cli.env, options) : null
  const named = parseReference(image)
  const digest = await digestOf(named, options)
  const signature = await signed({ named, digest }, signer)
  if (output === '-') process.stdout.write(signature)
  else if (output !== undefined) await writeNew(output, signature)
  if (!access) return exit.done
  const path = output ?? formatReference(identityOf(named))
  try {
    const result = await upload(serverClient(access), { path, body: signature })
    if (result.outcome === 'refused') await keep(signature, output)
    return tell({ results: [result], failure: null }, json)
  } catch (error) {
    await keep(signature, output)
    throw error
  }
}

interface Signer {
  name: string
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
}

function signerOf({ by, signerCommand }: SignOptions, env: NodeJS.ProcessEnv): Signer {
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
async function signed(
  { named, digest }: { named: ImageReference; digest: Digest },
  signer: Signer,
): Promise<Uint8Array> {
  const reference = identityOf(named)
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

async function writeNew(file: string, signature: Uint8Array): Promise<void> {
  try {
    await writeFile(file, signature, { flag: 'wx' })
  } catch (cause) {
    throw new Refusal('configuration', `${file} cannot be written: ${(cause as Error).message}`, { cause })
  }
}

/** A signature may have cost a walk to the safe: it is not thrown away because the server is not there. */
async function keep(signature: Uint8Array, output: string | undefined): Promise<void> {
  if (output !== undefined && output !== '-') return
  const file = `signature-${Date.now()}`
  await writeNew(file, signature)
  note(`lookaside: the signature is in ${file}; upload it with push`)
}
