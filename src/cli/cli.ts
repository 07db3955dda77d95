import type { Logger } from 'pino'
import type { Admit } from '../admission/admit.ts'
import type { Config } from '../config/config.ts'
import type { MirrorContext } from '../mirror/mirror.ts'
import { printable } from '../printable.ts'
import { Refusal } from '../refusal.ts'
import type { BackedUp, OnPages } from '../storage/sqlite/backup.ts'
import type { Restored, RestoreOptions } from '../storage/sqlite/restore.ts'
import type { Storage } from '../storage/storage.ts'
import type { RunningServer } from './serve.ts'

/** What the commands are given. Each ends with an exit code of `exit.ts`. */
export interface Cli {
  env: NodeJS.ProcessEnv
  /** With `create` false, a folder without a database is refused. */
  openStorage(dataFolder: string, options?: { create: boolean }): Storage
  /** @throws Refusal policy, keyring */
  admission(storage: Storage, config: Config): Promise<Admit>
  /** @throws Refusal policy, keyring */
  mirrorContext(storage: Storage, config: Config): Promise<MirrorContext>
  /** @throws Refusal data-folder, configuration, backup-invalid, disk-full, busy */
  backUp(dataFolder: string, file: string, onPages: OnPages): Promise<BackedUp>
  /** @throws Refusal data-folder, configuration, backup-invalid, disk-full */
  restore(options: Omit<RestoreOptions, 'leases'>): Promise<Restored>
  startServer(config: Config, log: Logger): Promise<RunningServer>
}

/** How this program is called here, for texts to be pasted. */
export function programName(): string {
  return import.meta.filename.endsWith('.ts') ? 'npm run --silent lookaside --' : 'lookaside'
}

/** To standard output. With `json` only the document is printed, for programs. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(document: unknown): void {
  print(JSON.stringify(document, null, 2))
}

/**
 * To standard output; returns when they were taken.
 * @throws errors of the file system, EPIPE among them
 */
export function printOctets(octets: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(octets, (error) => (error ? reject(error) : resolve()))
  })
}

/** To standard error: progress and explanations that are not the answer. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/**
 * What went wrong, in a line: of a refusal, a code for programs and a sentence for people; of a failure, the innermost
 * reason, as the rest is for whoever mends it.
 */
export function explain(error: unknown): string {
  if (error instanceof Refusal) return printable(`${error.code}: ${error.message}`)
  if (!(error instanceof Error)) return String(error)
  return process.env.DEBUG ? (error.stack ?? error.message) : printable(error.message)
}
