import { userInfo } from 'node:os'
import { type By, commandLine } from '../storage/audit.ts'

/** Who runs a command on the data folder, as the audit trail shows it. */
export function operator(): By {
  return { actor: `user:${userName()}`, origin: commandLine }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // Containers run as users that have no name.
    return String(process.getuid?.() ?? 'unknown')
  }
}
