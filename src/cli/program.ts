import { Command } from 'commander'
import { auditCommand } from './audit.ts'
import { backupCommand } from './backup.ts'
import { banKeyCommand } from './ban-key.ts'
import { type Cli, explain, note } from './cli.ts'
import { clientConfigCommand } from './client-config.ts'
import { type ExitCode, exit, exitCodeOf } from './exit.ts'
import { exportCommand } from './export.ts'
import { fsckCommand } from './fsck.ts'
import { importCommand } from './import.ts'
import { listCommand } from './list.ts'
import { mirrorCommand } from './mirror.ts'
import { pushCommand } from './push.ts'
import { reinstateCommand } from './reinstate.ts'
import { restoreCommand } from './restore.ts'
import { serveCommand } from './serve.ts'
import { signCommand } from './sign.ts'
import { tokenCommand } from './token.ts'
import { verifyCommand } from './verify.ts'
import { version } from './version.ts'
import { withdrawCommand } from './withdraw.ts'

/** Runs one command to its end; returns the exit code of the process. */
export async function runProgram(argv: string[], cli: Cli): Promise<ExitCode> {
  // Whoever read the output has seen enough, as `head` does: what the command finds, its exit code says all the same.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return
    note(`lookaside: the output cannot be written: ${error.message}`)
    process.exit(exit.failure)
  })
  // Nobody can be told of it.
  process.stderr.on('error', () => {})
  let code: ExitCode = exit.done
  /** The action of a command: it answers with its exit code. */
  const ends = (answer: ExitCode) => {
    code = answer
  }
  const program = new Command('lookaside')
    .description('A server for container image signatures, and what its signers and administrators need')
    .version(version)
    .exitOverride()
    .showHelpAfterError()
  for (const command of [
    serveCommand,
    tokenCommand,
    signCommand,
    pushCommand,
    listCommand,
    verifyCommand,
    withdrawCommand,
    reinstateCommand,
    banKeyCommand,
    auditCommand,
    exportCommand,
    mirrorCommand,
    importCommand,
    fsckCommand,
    backupCommand,
    restoreCommand,
    clientConfigCommand,
  ])
    program.addCommand(command(cli, ends).copyInheritedSettings(program))
  try {
    await program.parseAsync(argv)
    return code
  } catch (error) {
    const code = exitCodeOf(error)
    // Commander has printed what it has to say.
    if (!isCommanders(error)) note(`lookaside: ${explain(error)}`)
    return code
  }
}

function isCommanders(error: unknown): boolean {
  return (
    typeof (error as { code?: unknown }).code === 'string' &&
    (error as { code: string }).code.startsWith('commander.')
  )
}
