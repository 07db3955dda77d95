import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { arch, availableParallelism, cpus, release, type } from 'node:os'
import { delimiter, join } from 'node:path'

/** What the benchmarks drive, or compare with, and how each says its version. */
const versionFlags = {
  nginx: '-v',
  caddy: 'version',
  wrk: '-v',
  gpg: '--version',
  bash: '--version',
  lftp: '--version',
}

export type Program = keyof typeof versionFlags

/** Where servers are, which the path of an ordinary user leaves out. */
const serverFolders = ['/usr/sbin', '/usr/local/sbin']

/** The path of a program, or null where it is not installed. */
export function installed(program: Program): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...serverFolders]
  return folders.map((folder) => join(folder, program)).find(isExecutable) ?? null
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The machine and the version of everything, in one line. */
export function circumstances(): string {
  const programs = (Object.keys(versionFlags) as Program[]).flatMap((program) => {
    const file = installed(program)
    return file ? [`${program} ${versionOf(file, versionFlags[program])}`] : []
  })
  const processor = cpus()[0]?.model ?? arch()
  return [
    `Node ${process.version}`,
    `OpenSSL ${process.versions.openssl}`,
    ...programs,
    `${type()} ${release()}`,
    `${availableParallelism()} cores of ${processor}, shared by the server and its clients`,
  ].join(' · ')
}

function versionOf(file: string, flag: string): string {
  const { stdout, stderr } = spawnSync(file, [flag], { encoding: 'utf8' })
  return /\d+\.\d+(?:\.\d+)?/.exec(stdout + stderr)?.[0] ?? '?'
}
