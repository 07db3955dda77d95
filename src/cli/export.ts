import { access, constants, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Command, Option } from 'commander'
import { type Compression, compress, compressionFor, compressions } from '../bundle/compression.ts'
import { configMaps } from '../bundle/config-maps.ts'
import { type Written, writeDigests, writeRepositories } from '../bundle/folder.ts'
import type { Subject, Wanted } from '../bundle/select.ts'
import { draftBundle } from '../bundle/write.ts'
import { replaceFile } from '../durable/durable.ts'
import { printable } from '../printable.ts'
import { parseRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import type { Storage } from '../storage/storage.ts'
import { type Cli, note, print, printOctets } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import type { DigestOptions } from './image.ts'
import { subjectsOf } from './image-list.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'
import { counter } from './progress.ts'
import { signedDetached } from './signer.ts'
import { unwritable } from './unwritable.ts'

interface ExportOptions extends DataOptions, Pick<DigestOptions, 'fromRegistry' | 'authfile' | 'registryCa'> {
  output: string
  since?: string
  images?: string
  signBy?: string
  compression?: Compression
  layout?: 'repository' | 'digest'
  base?: string
  configmap?: boolean
  json?: boolean
}

export function exportCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('export'))
    .description('write a bundle of signatures for a site without a network; a server may run')
    .requiredOption('--output <path>', 'the bundle, or - for standard output; with --layout a folder')
    .option('--since <change>', 'what became of signatures after that change: where the bundle before ended')
    .option('--images <file>', 'the signatures of these images alone, a line each, such as NAME@DIGEST')
    .option('--from-registry', 'with --images: ask registries for the digests of tags and of each platform')
    .option('--authfile <file>', 'credentials for registries (default: where podman and docker keep them)')
    .option('--registry-ca <file>', 'a CA to trust for registries, beside the system and certs.d')
    .option('--sign-by <key>', 'sign the bundle with this key of your gpg')
    .addOption(
      new Option('--compression <kind>', 'by default as the name says, or zstd').choices(compressions),
    )
    .addOption(
      new Option('--layout <kind>', 'instead of a bundle, a folder for any web server').choices([
        'repository',
        'digest',
      ]),
    )
    .option('--base <path>', 'with --layout digest: the path in the folder, such as openshift/release')
    .option('--configmap', 'instead of a bundle, ConfigMaps in YAML for OpenShift')
    .option('--json', 'print a JSON document')
    .action(async (options: ExportOptions) => ends(await exportSignatures(cli, options)))
}

async function exportSignatures(cli: Cli, options: ExportOptions): Promise<ExitCode> {
  requireSense(options)
  const { images, output, layout, configmap } = options
  if (!layout && output !== '-') await requireReplaceable(output)
  const config = configOf(cli, options)
  const subjects = images === undefined ? null : await subjectsOf(images, options, config, cli.env)
  const storage = cli.openStorage(config.data, { create: false })
  try {
    if (layout || configmap) tell(await writeOther(storage, subjects, options), options)
    else await writeBundle(cli, storage, subjects, options)
    return exit.done
  } finally {
    await storage.close()
  }
}

/** @throws Refusal configuration */
function requireSense(options: ExportOptions): void {
  const { output, since, images, layout, configmap, base, fromRegistry, authfile, registryCa } = options
  const refuse = (reason: string): never => {
    throw new Refusal('configuration', reason)
  }
  if (since !== undefined && !/^(?:0|[1-9][0-9]{0,14})$/.test(since))
    refuse('--since is the number of a change')
  if (since !== undefined && images !== undefined) refuse('Name one of --since and --images')
  if (images === undefined && (fromRegistry || authfile !== undefined || registryCa !== undefined))
    refuse('--from-registry, --authfile and --registry-ca are for --images')
  if (layout && configmap) refuse('Name one of --layout and --configmap')
  if (base !== undefined && layout !== 'digest') refuse('--base is for --layout digest')
  if (layout && output === '-') refuse('With --layout, --output is a folder')
  if (!layout && !configmap) return
  if (since !== undefined || options.signBy !== undefined || options.compression !== undefined)
    refuse('--since, --sign-by and --compression are for bundles')
}

/**
 * What is written takes the place of a file at its end, and must not take that of a device. That it cannot be written is
 * told before anything is read and signed for it.
 */
async function requireReplaceable(file: string): Promise<void> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw unwritable(`${file} cannot be written`, error)
  })
  if (found && !found.isFile())
    throw new Refusal('configuration', `${file} is no file: write to standard output with --output -`)
  await access(join(dirname(file), '/'), constants.W_OK).catch((error) => {
    throw unwritable(`${file} cannot be written to its folder`, error)
  })
}

async function writeBundle(
  cli: Cli,
  storage: Storage,
  subjects: readonly Subject[] | null,
  options: ExportOptions,
): Promise<void> {
  const { output, signBy } = options
  const bundle = await draftBundle(storage, await wantedOf(storage, subjects, options))
  const { head, headOctets } = bundle
  const headSignature = signBy === undefined ? null : await signedDetached(headOctets, signBy, cli.env)
  const progress = counter('pieces')
  try {
    let pieces = 0
    const archive = async function* () {
      for await (const piece of bundle.archive(headSignature)) {
        progress.update(++pieces)
        yield piece
      }
    }
    await write(output, compress(archive(), options.compression ?? compressionFor(output)))
  } finally {
    progress.stop()
  }
  const { epoch, scope, from, to, signatures, withdrawals } = head
  const document = {
    output,
    epoch,
    scope,
    from: from.seq,
    to: to.seq,
    signatures: signatures.count,
    withdrawals: withdrawals.count,
    signed: headSignature !== null,
  }
  const sentence =
    `${output}: ${signatures.count} signatures and ${withdrawals.count} withdrawals, ` +
    `${scopeInWords(scope, from.seq, to.seq)}`
  answer(options, document, sentence)
}

/** The next one begins where this one ends, unless it has some images alone: the site lacks the changes of others then. */
function scopeInWords(scope: Wanted['scope'], from: number, to: number): string {
  if (scope === 'images') return `of the images in the list up to change ${to}`
  const what = scope === 'since' ? `of changes ${from + 1} to ${to}` : `all up to change ${to}`
  return `${what}; next time: --since ${to}`
}

async function wantedOf(
  storage: Storage,
  subjects: readonly Subject[] | null,
  { since }: ExportOptions,
): Promise<Wanted> {
  if (subjects) return { scope: 'images', subjects }
  if (since === undefined) return { scope: 'whole' }
  const { seq } = await storage.head()
  if (Number(since) > seq)
    throw new Refusal(
      'configuration',
      `--since ${since}: the log ends at change ${seq}. Is it that of another server?`,
    )
  return { scope: 'since', since: Number(since) }
}

async function writeOther(
  storage: Storage,
  subjects: readonly Subject[] | null,
  { layout, base, output }: ExportOptions,
): Promise<Written> {
  if (layout === 'repository')
    return writeRepositories(storage, subjects, output).catch(cannotBeWritten(output))
  if (layout === 'digest') {
    const folder = { folder: output, base: base ? parseRepository(base) : '' } as const
    return writeDigests(storage, subjects, folder).catch(cannotBeWritten(output))
  }
  const written: Written = { digests: 0, signatures: 0, warnings: [] }
  await write(output, configMaps(storage, subjects, written))
  return written
}

async function write(output: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  if (output !== '-') return replaceFile(output, content, 0o644).catch(cannotBeWritten(output))
  for await (const piece of content) await printOctets(piece)
}

function cannotBeWritten(output: string) {
  return (error: NodeJS.ErrnoException): never => {
    // Anything else is of what is written.
    throw error.syscall === undefined ? error : unwritable(`${output} cannot be written`, error)
  }
}

function tell({ digests, signatures, warnings }: Written, options: ExportOptions): void {
  const { output } = options
  for (const warning of warnings) note(printable(`lookaside: ${warning}`))
  const sentence = `${output}: ${signatures} signatures of ${digests} digests`
  answer(options, { output, digests, signatures, warnings }, sentence)
}

/** To standard error where what is exported goes to standard output. */
function answer({ output, json }: ExportOptions, document: unknown, sentence: string): void {
  const say = output === '-' ? note : print
  say(json ? JSON.stringify(document, null, 2) : printable(sentence))
}
