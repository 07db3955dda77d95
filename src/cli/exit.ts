import { CommanderError } from 'commander'
import { Refusal, type RefusalCode, refusalStatus } from '../refusal.ts'

/** What the exit code of every command means. */
export const exit = { done: 0, no: 1, usage: 2, failure: 3 } as const
export type ExitCode = (typeof exit)[keyof typeof exit]

/** What is wrong with the files that a command was given. */
const operatorCodes = new Set<RefusalCode>(['configuration', 'data-folder', 'policy', 'keyring', 'manifest'])

/** A bundle or backup that is not taken: nothing has failed. */
const noCodes = new Set<RefusalCode>([
  'bundle-invalid',
  'bundle-not-signed',
  'bundle-removes-most',
  'bundle-gap',
  'bundle-older',
  'backup-invalid',
])

/**
 * Wrong usage or configuration, a token among it, is for the caller to mend; everything else is a failure of server,
 * network or disk.
 */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exit.done : exit.usage
  if (!(error instanceof Refusal)) return exit.failure
  if (operatorCodes.has(error.code)) return exit.usage
  if (noCodes.has(error.code)) return exit.no
  const status = refusalStatus[error.code]
  return status === 400 || status === 401 || status === 403 ? exit.usage : exit.failure
}
