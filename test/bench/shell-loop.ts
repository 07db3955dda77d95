import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { claimOf } from '../signing.ts'
import { percentilesOf, type Sample, type Subject } from './compare.ts'

/** What people have without a server: verify a signature with gpg, and put it in the tree so that it survives a crash. */
const loop = `
set -e
start=\${EPOCHREALTIME/[.,]/} now=$start count=0
while (( now < start + $1 * 1000000 )); do
  count=$(( count + 1 )) from=$now
  gpg --batch --quiet --verify signed 2>gpg.log
  cp signed "tree/.new"
  sync "tree/.new"
  mv "tree/.new" "tree/signature-$count"
  sync tree
  now=\${EPOCHREALTIME/[.,]/}
  echo $(( now - from ))
done
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
  gpg('--quick-gen-key', 'bench@example.com', 'ed25519', 'sign', 'never')
  gpg('--pinentry-mode', 'loopback', '--output', 'signed', '--sign', 'claim')
  return {
    name: 'a shell loop of gpg --verify',
    async measure(seconds): Promise<Sample> {
      const { stdout } = await promisify(execFile)(programs.bash, ['-c', loop, 'bash', String(seconds)], {
        env,
        cwd: folder,
      })
      const microseconds = stdout.trim().split('\n').map(Number)
      const total = microseconds.reduce((sum, time) => sum + time)
      const times = percentilesOf(microseconds.map((time) => time / 1000))
      return { rate: (microseconds.length * 1e6) / total, processor: null, times }
    },
    // Ends the agent that gpg has started.
    stop: () =>
      void execFileSync(join(dirname(programs.gpg), 'gpgconf'), ['--homedir', home, '--kill', 'all']),
  }
}
