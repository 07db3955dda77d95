import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { readPosition } from '../../src/tree/position.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { claimOf } from '../signing.ts'
import type { Sample, Subject } from './compare.ts'
import { measureLoad } from './load.ts'
import type { WebServer } from './web-servers.ts'

export const signers = 32

const entry = join(import.meta.dirname, '../../src/lookaside.js')

export interface Uploading extends Subject {
  /** How long after the uploads of a round the tree was complete, in seconds. */
  delays: number[]
}

/** We, taking signatures from 32 signers at once. */
export function uploading({ name, port, pid }: WebServer, dataFolder: string): Uploading {
  const flags = ['--data', dataFolder, '--name', 'bench', '--allow', 'push:**']
  const token = execFileSync(process.execPath, [entry, 'token', 'create', ...flags], {
    encoding: 'utf8',
  }).trim()
  const ca = join(dataFolder, 'tls/ca.crt')
  const delays: number[] = []
  const treeComplete = async () => {
    const start = performance.now()
    await treeIsComplete(dataFolder)
    delays.push((performance.now() - start) / 1000)
  }
  return {
    name,
    delays,
    measure: (seconds) =>
      measureLoad(pid, { kind: 'upload', port, ca, seconds, token, clients: signers }, treeComplete),
  }
}

async function treeIsComplete(dataFolder: string): Promise<void> {
  const storage = openSqlite({ dataFolder })
  const { seq } = await storage.head()
  await storage.close()
  while ((await readPosition(treeOf(dataFolder)))?.seq !== seq) await wait(20)
}

/** What people have without a server: verify a signature with gpg, and put it in the tree so that it survives a crash. */
const loop = `
set -e
end=$(( \${EPOCHREALTIME/[.,]/} + $1 * 1000000 )) count=0 start=\${EPOCHREALTIME/[.,]/}
while (( \${EPOCHREALTIME/[.,]/} < end )); do
  count=$(( count + 1 ))
  gpg --batch --quiet --verify signed 2>gpg.log
  cp signed "tree/.new"
  sync "tree/.new"
  mv "tree/.new" "tree/signature-$count"
  sync tree
done
echo "$count $(( \${EPOCHREALTIME/[.,]/} - start ))"
`

export interface ShellLoop extends Subject {
  stop(): void
}

/** The shell loop, on a signature that a new key has made. `folder` must not exist. */
export function shellLoop(folder: string, programs: { gpg: string; bash: string }): ShellLoop {
  const home = join(folder, 'gnupg')
  mkdirSync(home, { recursive: true, mode: 0o700 })
  mkdirSync(join(folder, 'tree'))
  const env = { ...process.env, GNUPGHOME: home }
  const gpg = (...flags: string[]) =>
    execFileSync(programs.gpg, ['--batch', '--quiet', '--passphrase', '', ...flags], { env, cwd: folder })
  writeFileSync(join(folder, 'claim'), claimOf())
  gpg('--quick-gen-key', 'bench@example.com', 'rsa2048', 'sign', 'never')
  gpg('--pinentry-mode', 'loopback', '--output', 'signed', '--sign', 'claim')
  return {
    name: 'a shell loop of gpg --verify',
    async measure(seconds): Promise<Sample> {
      const { stdout } = await promisify(execFile)(programs.bash, ['-c', loop, 'bash', String(seconds)], {
        env,
        cwd: folder,
      })
      const [count = 0, microseconds = 0] = stdout.split(' ').map(Number)
      return { rate: (count * 1e6) / microseconds, processor: null, times: null }
    },
    // Ends the agent that gpg has started.
    stop: () =>
      void execFileSync(join(dirname(programs.gpg), 'gpgconf'), ['--homedir', home, '--kill', 'all']),
  }
}
