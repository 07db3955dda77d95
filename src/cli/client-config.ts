import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { type ClientFile, type ClientFiles, clientFiles, clientScript, type Entry } from '../clients/files.ts'
import { makeFolder, replaceFile } from '../durable/durable.ts'
import { isLoopback } from '../net/outgoing.ts'
import { printable } from '../printable.ts'
import { Refusal } from '../refusal.ts'
import { parseServerName } from '../tls/names.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type TargetOptions, targetOf } from './client-target.ts'
import { type ExitCode, exit } from './exit.ts'
import { configOf, onDataFolder } from './options.ts'
import { type Inspection, inspectRegistriesD } from './registries-d.ts'
import { unwritable } from './unwritable.ts'

interface ClientConfigOptions extends TargetOptions {
  staging?: string
  output?: string
  force?: boolean
  registriesD?: string
  json?: boolean
}

export function clientConfigCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('client-config'))
    .description(
      'what podman, skopeo and others need to find the signatures of a registry here, as a script for a client',
    )
    .requiredOption('--registry <host>', 'the registry, as image names have it')
    .option(
      '--server <url>',
      'the server (default: as the configuration has it; without --config or --data, LOOKASIDE_SERVER)',
    )
    .option('--ca <file>', 'the CA that clients must trust (default: the private CA of the server)')
    .option(
      '--prefix <path>',
      'where the server keeps that registry (default: as registries of the configuration has it)',
    )
    .option(
      '--staging <dir>',
      'for a machine that signs: where skopeo copy --sign-by leaves signatures for lookaside push',
    )
    .option('--output <dir>', 'write registries.d and certs.d below this folder instead')
    .option('--force', 'overwrite files there that differ')
    .option(
      '--registries-d <dir>',
      "also look for clashes in a client's folder, such as /etc/containers/registries.d",
    )
    .option('--json', 'print a JSON document')
    .action(async (options: ClientConfigOptions) => ends(await clientConfig(cli, options)))
}

async function clientConfig(cli: Cli, options: ClientConfigOptions): Promise<ExitCode> {
  const { staging = null, output, force = false, json } = options
  const target = targetOf(options, cli.env, () => configOf(cli, options))
  const { registry, url, ca, prefixGuessed } = target
  const files = clientFiles(target, staging)
  const names = ca === null ? null : (await import('../clients/permitted.ts')).permittedBy(ca)
  const { clashes, notes: found, presentIn } = await inspect(options, files.entry)
  const notes = [...notesOnReach(url, names), ...found]
  if (prefixGuessed)
    notes.push(
      `If ${url} keeps ${registry} under a prefix, give it (--prefix) or the configuration of the server (--config): else every image looks unsigned`,
    )
  const isPresent = presentIn !== null && output === undefined
  const placed = [isPresent ? null : files.registriesD, files.certsD].filter((file) => file !== null)
  const written = output !== undefined && !clashes.length ? await write(output, placed, force) : []
  if (json) {
    printJson({ registry, lookaside: files.entry.lookaside, files: placed, written, clashes, notes })
    return clashes.length ? exit.no : exit.done
  }
  for (const text of notes) note(printable(text))
  for (const text of clashes) print(printable(text))
  if (clashes.length) return exit.no
  if (output === undefined) print(clientScript(files, names, isPresent))
  else tellWritten(resolve(output), files, written)
  return exit.done
}

function notesOnReach(url: string, names: string[] | null): string[] {
  const notes: string[] = []
  if (isLoopback(url)) {
    notes.push(`Only clients on this machine reach ${url}: set publicUrl, or name the server with --server`)
  }
  if (names && !isPermitted(url, names)) {
    notes.push(`The CA can vouch for ${names.join(', ')}, and so not for ${url}: add its name to tls.names`)
  }
  return notes
}

function tellWritten(folder: string, { registriesD, certsD }: ClientFiles, written: string[]): void {
  for (const { path } of certsD ? [registriesD, certsD] : [registriesD]) {
    const whole = join(folder, path)
    print(`${written.includes(whole) ? 'wrote' : 'kept'} ${whole}`)
  }
  const trust = certsD ? ` --src-cert-dir ${dirname(join(folder, certsD.path))}` : ''
  note(
    `skopeo takes them as: skopeo --registries.d ${dirname(join(folder, registriesD.path))} copy${trust} …`,
  )
}

/**
 * The folders that the entry is for: the one that is written to, and the one that was named.
 * @throws Refusal configuration, disk-full
 */
async function inspect({ output, registriesD }: ClientConfigOptions, entry: Entry): Promise<Inspection> {
  const clashes: string[] = []
  const notes: string[] = []
  let presentIn: string | null = null
  if (registriesD !== undefined) {
    const found = await inspectRegistriesD(registriesD, entry)
    clashes.push(...found.clashes)
    notes.push(...found.notes)
    presentIn = found.presentIn
    if (presentIn) notes.push(`${presentIn} has this entry already: do not add ${entry.fileName} beside it`)
  }
  if (output !== undefined) {
    const folder = join(output, 'registries.d')
    await makeOutput(folder)
    const found = await inspectRegistriesD(folder, entry)
    clashes.push(...found.clashes.filter((text) => !clashes.includes(text)))
    if (found.presentIn)
      clashes.push(
        `${entry.namespace} is in ${found.presentIn}: with ${entry.fileName} beside it every pull fails`,
      )
  }
  return { clashes, notes, presentIn }
}

/**
 * Writes what is not there yet; all of it, or nothing where a file differs.
 * @returns the paths that were written
 * @throws Refusal configuration, disk-full
 */
async function write(output: string, files: ClientFile[], force: boolean): Promise<string[]> {
  const missing: ClientFile[] = []
  for (const file of files) {
    const present = await readIfThere(join(output, file.path))
    if (present !== null && present !== file.content && !force) {
      throw new Refusal(
        'configuration',
        `${join(output, file.path)} is there and differs: overwrite it with --force`,
      )
    }
    if (present !== file.content) missing.push(file)
  }
  for (const { path, content } of missing) {
    const file = join(output, path)
    await makeOutput(dirname(file))
    await replaceFile(file, content, 0o644).catch((cause) => {
      throw unwritable(`${file} cannot be written`, cause)
    })
  }
  return missing.map(({ path }) => resolve(output, path))
}

async function makeOutput(folder: string): Promise<void> {
  await makeFolder(folder).catch((cause) => {
    throw unwritable(`${folder} cannot be made`, cause)
  })
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    throw new Refusal('configuration', `${path} cannot be read: ${message}`, { cause })
  }
}

function isPermitted(url: string, names: readonly string[]): boolean {
  const host = parseServerName(new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'))
  return host !== undefined && names.includes(host.value)
}
