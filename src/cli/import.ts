import { createReadStream } from 'node:fs'
import { Command } from 'commander'
import { type ImportReport, importEntries, importPath } from '../admission/adopt.ts'
import { isBundleFile } from '../bundle/file.ts'
import { type BundleReport, importBundle } from '../bundle/import.ts'
import { readBundle } from '../bundle/read.ts'
import { requireSigned } from '../bundle/signed.ts'
import type { Config } from '../config/config.ts'
import { readNamedFile } from '../durable/limited-file.ts'
import { readKeyring } from '../openpgp/keyring.ts'
import { maxKeyringSize } from '../openpgp/keyring-file.ts'
import { printable } from '../printable.ts'
import { parseRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { commandLine } from '../storage/audit.ts'
import type { Storage } from '../storage/storage.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { operator } from './operator.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'
import { counter, type Progress } from './progress.ts'

interface ImportOptions extends DataOptions {
  prefix?: string
  requireSignature?: string[]
  newSigner?: boolean
  allowOlder?: boolean
  acceptRemovals?: boolean
  json?: boolean
}

export function importCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('import'))
    .description(
      'take in a bundle, or the signatures of a docroot such as /var/lib/containers/sigstore; a server may run',
    )
    .argument('<path>', 'a bundle, or - for one on standard input; a docroot; or one signature file')
    .option('--prefix <path>', 'of a bundle: put everything below this path')
    .option(
      '--require-signature <keyring>',
      'of a bundle: take it only if one of these keys signed it; may be given again',
      (value: string, earlier: string[] = []) => [...earlier, value],
    )
    .option(
      '--new-signer',
      'with --require-signature: the key that signed those before is given up for this one',
    )
    .option('--allow-older', 'of a bundle: take it even if a later one was imported before')
    .option('--accept-removals', 'of a bundle: take it even if most of what those before brought goes')
    .option('--json', 'print a JSON document')
    .action(async (path: string, options: ImportOptions) => {
      // Before anything is opened: what is asked of bundles must not be passed over because a file is none.
      const isBundle = path === '-' || (await isBundleFile(path))
      if (!isBundle) requireNothingOfBundles(path, options)
      const config = configOf(cli, options)
      const storage = cli.openStorage(config.data)
      const progress = counter(isBundle ? 'signatures' : 'files')
      try {
        const leftOut = isBundle
          ? await takeBundle(cli, storage, config, { path, options, progress })
          : await takeDocroot(cli, storage, config, { path, options, progress })
        ends(leftOut ? exit.no : exit.done)
      } finally {
        progress.stop()
        await storage.close()
      }
    })
}

interface Import {
  path: string
  options: ImportOptions
  progress: Progress
}

/** @throws Refusal bundle-not-signed, configuration */
function requireNothingOfBundles(
  path: string,
  { prefix, requireSignature, newSigner, allowOlder, acceptRemovals }: ImportOptions,
): void {
  if (requireSignature)
    throw new Refusal('bundle-not-signed', `${path} is no bundle, and --require-signature wants a signed one`)
  if (prefix !== undefined || newSigner || allowOlder || acceptRemovals)
    throw new Refusal(
      'configuration',
      `${path} is no bundle: --prefix, --new-signer, --allow-older and --accept-removals are for bundles`,
    )
}

/** @returns how many were left out */
async function takeDocroot(
  cli: Cli,
  storage: Storage,
  config: Config,
  { path, options: { json }, progress }: Import,
): Promise<number> {
  const report = await importPath(path, {
    admit: await cli.admission(storage, config),
    storage,
    places: 'by-claim',
    onProgress: progress.update,
  })
  progress.stop()
  const { added, present, refused } = report
  const by = operator()
  await storage.record([
    ...importEntries(refused, by),
    { ...by, event: 'imported', detail: countsOf(path, { added, present, leftOut: refused.length }) },
  ])
  if (json) printJson(report)
  else tellDocroot(report)
  return report.refused.length
}

function countsOf(what: string, counts: { added: number; present: number; leftOut: number }): string {
  const { added, present, leftOut } = counts
  return `${what}: ${added} added, ${present} already there, ${leftOut} left out`
}

function tellDocroot(report: ImportReport): void {
  const { added, present, refused, warnings } = report
  for (const { path, code, detail } of refused) print(printable(`left out ${path}: ${code}: ${detail}`))
  for (const { path, warning } of warnings) note(printable(`${path}: ${warning}`))
  print(`${added} added, ${present} already there, ${refused.length} left out`)
}

/** @returns how many were left out */
async function takeBundle(
  cli: Cli,
  storage: Storage,
  config: Config,
  { path, options, progress }: Import,
): Promise<number> {
  const prefix = options.prefix === undefined ? null : parseRepository(options.prefix)
  if (options.newSigner && !options.requireSignature)
    throw new Refusal('configuration', '--new-signer is for --require-signature')
  const keyring = options.requireSignature && (await keyringOf(options.requireSignature))
  const admit = await cli.admission(storage, config)
  const bundle = await readBundle(path === '-' ? process.stdin : createReadStream(path))
  try {
    const signer = keyring ? requireSigned(bundle, keyring, Date.now()) : null
    const signedBy = signer?.fingerprint ?? null
    const report = await importBundle(bundle, {
      admit,
      storage,
      prefix,
      maxBytes: config.uploads.maxBytes,
      signer,
      newSigner: options.newSigner ?? false,
      allowOlder: options.allowOlder ?? false,
      acceptRemovals: options.acceptRemovals ?? false,
      graceSeconds: Math.max(config.withdraw.graceSeconds, config.reads.cacheSeconds),
      onProgress: progress.update,
    })
    progress.stop()
    const by = { ...operator(), origin: { ...commandLine, door: 'bundle' as const } }
    const refused = report.refused.map(({ repository, digest, identity, code, detail }) => {
      return { path: `${repository}@${digest} (identity ${identity})`, code, detail }
    })
    await storage.record([
      ...importEntries(refused, by),
      { ...by, event: 'imported', detail: countsOf(`bundle of ${report.epoch}`, report) },
    ])
    if (options.json) printJson({ ...report, signedBy })
    else tellBundle(report, signedBy)
    return report.leftOut
  } finally {
    await bundle.close()
  }
}

async function keyringOf(files: readonly string[]) {
  const contents = await Promise.all(
    files.map(async (file) => {
      try {
        return await readNamedFile(file, maxKeyringSize)
      } catch (cause) {
        throw new Refusal('keyring', `${file} cannot be read: ${(cause as Error).message}`, { cause })
      }
    }),
  )
  const keyring = await readKeyring(...contents)
  for (const warning of keyring.warnings) note(printable(`lookaside: ${warning}`))
  return keyring
}

function tellBundle(report: BundleReport, signedBy: string | null): void {
  const { scope, from, to, added, present, removed, leftOut, refused, warnings } = report
  for (const { repository, digest, identity, code, detail } of refused)
    print(
      printable(`left out ${repository}@${digest} (identity ${identity.slice(0, 16)}): ${code}: ${detail}`),
    )
  if (leftOut > refused.length) print(`left out ${leftOut - refused.length} more`)
  for (const warning of warnings) note(printable(`lookaside: ${warning}`))
  if (signedBy !== null) print(`signed by ${signedBy}`)
  const what = scope === 'since' ? `changes ${from + 1} to ${to}` : `${scope} up to change ${to}`
  print(`${what}: ${added} added, ${present} already there, ${removed} removed, ${leftOut} left out`)
}
