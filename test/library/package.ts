import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** What `npm pack` needs beside what goes into the package. */
const sources = ['src', 'tsconfig.json', 'tsconfig.build.json', 'package.json', 'README.md', 'LICENSE']

/** The package as npm makes it of this checkout, without touching the `dist` there; and the paths of all files in it. */
export function packPackage(folder: string): { tarball: string; paths: string[] } {
  const copy = join(folder, 'checkout')
  const { files } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { files: string[] }
  for (const name of [...sources, ...files.filter((name) => name !== 'dist')])
    cpSync(join(checkout, name), join(copy, name), { recursive: true })
  symlinkSync(join(checkout, 'node_modules'), join(copy, 'node_modules'))
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: copy })
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '')
  const list = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
  return {
    tarball,
    paths: list
      .trim()
      .split('\n')
      .map((path) => path.replace(/^package\//, '')),
  }
}

/** A project of somebody who has installed the package; of all other packages it has those that are named. */
export function newProject(folder: string, tarball: string, others: string[]): string {
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, 'lookaside'), { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'lookaside')])
  for (const name of others) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(checkout, 'node_modules', name), join(modules, name))
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }))
  return folder
}

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs JavaScript, or what options of Node say, in a folder. */
export function runNode(folder: string, args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
  return { code: status, stdout, stderr }
}

/** Checks all `.mts` files of a folder, and every declaration they reach; what it prints is what is wrong. */
export function checkTypes(folder: string, types: string[]): { output: string; reached: string[] } {
  const compilerOptions = {
    module: 'nodenext',
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    types,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }))
  const tsc = join(checkout, 'node_modules/.bin/tsc')
  const { stdout } = spawnSync(tsc, ['-p', folder, '--listFiles'], { encoding: 'utf8' })
  const lines = stdout.trim().split('\n')
  return {
    output: lines.filter((line) => !line.startsWith('/')).join('\n'),
    reached: lines.filter((line) => line.startsWith('/')),
  }
}
