import { verdictLease } from '../admission/verdicts.ts'
import { runProgram } from '../cli/program.ts'
import { backUpSqlite } from '../storage/sqlite/backup.ts'
import { restoreSqlite } from '../storage/sqlite/restore.ts'
import { openSqlite } from '../storage/sqlite/sqlite.ts'
import { treeLease } from '../tree/tree.ts'
import { admissionHere, mirrorContext } from './admission.ts'

/** This folder is the only place that builds: what the server is made of, and here what the commands are given. */
export async function main(argv: string[]): Promise<void> {
  process.exitCode = await runProgram(argv, {
    env: process.env,
    openStorage: (dataFolder, options) => openSqlite({ dataFolder, ...options }),
    admission: admissionHere,
    mirrorContext,
    backUp: backUpSqlite,
    restore: (options) => restoreSqlite({ ...options, leases: [treeLease, verdictLease] }),
    // What serves takes longer to load than all the rest, which need not wait for it.
    startServer: async (...given) => (await import('./start.ts')).startServer(...given),
  })
}
