import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface LockedPackage {
  resolved?: string
  gypfile?: boolean
  optionalDependencies?: Record<string, string>
  [other: string]: unknown
}

export interface LockFile {
  packages: Record<string, LockedPackage>
  [other: string]: unknown
}

const sqlite = 'node_modules/better-sqlite3'

/**
 * What is wrong with package-lock.json, a sentence each.
 *
 * - A "resolved" URL binds everybody who installs to the registry of whoever wrote the file.
 * - better-sqlite3 brings its binaries and says `"gypfile": false`. npm 10 (which Node 20 and 22 bring) takes the
 *   metadata of packages from the lock file in `npm ci`: where the field is missing there it runs node-gyp, which needs
 *   a compiler. `npm install` may drop the field.
 * - An optional package (binaries of another platform) that the registry did not have when the file was written is left
 *   out of it, and `npm ci` of npm 11 then refuses the file everywhere.
 */
export function lockFileProblems({ packages }: LockFile): string[] {
  const resolved = Object.entries(packages)
    .filter(([, locked]) => /^https?:/.test(locked.resolved ?? ''))
    .map(
      ([path]) =>
        `${path} has a "resolved" URL: write the file with npm's omit-lockfile-registry-resolved=true.`,
    )
  const gypfile =
    packages[sqlite]?.gypfile === false
      ? []
      : [
          `${sqlite} needs "gypfile": false, or npm 10 compiles it: node test/check/lockfile.ts --fix puts it back.`,
        ]
  const incomplete = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !(`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages))
      .map(
        (name) =>
          `${path} has the optional package ${name}, which is missing: take a version that has them all.`,
      ),
  )
  return [...resolved, ...gypfile, ...incomplete]
}

/** The file with `gypfile` put back. */
export function withGypfile(lock: LockFile): LockFile {
  const locked = lock.packages[sqlite]
  if (locked === undefined) throw new Error(`${sqlite} is not in package-lock.json`)
  return { ...lock, packages: { ...lock.packages, [sqlite]: { ...locked, gypfile: false } } }
}

function main(fix: boolean): void {
  const file = fileURLToPath(new URL('../../package-lock.json', import.meta.url))
  const read = JSON.parse(readFileSync(file, 'utf8')) as LockFile
  const lock = fix ? withGypfile(read) : read
  if (fix) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
  const problems = lockFileProblems(lock)
  for (const problem of problems) console.error(`package-lock.json: ${problem}`)
  if (problems.length > 0) process.exitCode = 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.includes('--fix'))
