import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { temporaryFolder } from '../temporary.ts'

/** What every program is given beside what it is called with: nothing of the person or machine that runs the tests. */
const environment = { PATH: process.env.PATH, LANG: 'C.UTF-8' }

/** A program that has not ended, started or stopped by then never will, however busy the machine is. */
const deadlineMilliseconds = 300_000

export interface ProgramOptions {
  env?: NodeJS.ProcessEnv
  cwd?: string
  input?: string | Uint8Array
}

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

const endings: (() => Promise<unknown>)[] = []

/** Runs when the tests of this file have ended, however they ended: what was begun last comes first. */
export function atEnd(end: () => Promise<unknown>): void {
  endings.push(end)
}

/** An empty folder that is gone after the tests of this file, when everything that was started has ended. */
export function workFolder(): string {
  return temporaryFolder(async () => {
    const failures: unknown[] = []
    for (let end = endings.pop(); end; end = endings.pop()) await end().catch((error) => failures.push(error))
    if (failures.length) throw failures[0]
  })
}

/** Runs a program to its end. */
export async function run(command: string, args: string[], options: ProgramOptions = {}): Promise<Outcome> {
  const child = spawnTied(command, args, options)
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text
    })
  const deadline = setTimeout(() => child.kill('SIGKILL'), deadlineMilliseconds)
  // A program that refuses before it has read everything is no failure of the pipe.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const [code] = await once(child, 'close')
  clearTimeout(deadline)
  return { code, ...output }
}

/** Runs a program that must succeed; returns what it printed. */
export async function succeed(command: string, args: string[], options?: ProgramOptions): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options)
  assert.equal(code, 0, `${command} ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`)
  return stdout
}

export interface Skopeo {
  /** For `run`. */
  command: string
  version: string
  /**
   * Whether a key stands for its subkeys. Those before 1.21 (c/image 5.38) compare the fingerprint of the very key that signed
   * with those of primary keys, so that by a policy they accept no signature by a subkey: `verifyAndExtractSignature` in
   * c/image's signature/simple.go.
   */
  acceptsSubkeys: boolean
}

const newestSkopeo = process.env.NEWEST_SKOPEO

/** Why tests with every skopeo run with that of the machine alone; false where they do not. */
export const onlyOneSkopeo = !newestSkopeo && 'NEWEST_SKOPEO does not say where .ci/newest-skopeo put one'

/** The skopeo of the machine, and the newest: in CI that one too must be there. */
export async function everySkopeo(): Promise<Skopeo[]> {
  assert.ok(!onlyOneSkopeo || !process.env.CI, `CI tests with every skopeo: ${onlyOneSkopeo}`)
  const commands = newestSkopeo ? ['skopeo', newestSkopeo] : ['skopeo']
  return Promise.all(
    commands.map(async (command) => {
      const version = /[0-9.]+/.exec(await succeed(command, ['--version']))?.[0] ?? ''
      const [major = 0, minor = 0] = version.split('.').map(Number)
      return { command, version, acceptsSubkeys: major > 1 || minor >= 21 }
    }),
  )
}

export interface Daemon<T> {
  /** What `ready` made of a line of its output. */
  readiness: T
  /** Stops it with SIGTERM; returns its exit code. */
  stop(): Promise<number | null>
}

/** Starts a program that serves until it is stopped, here or at the end, and waits for the line that says it is ready. */
export async function start<T>(
  command: string,
  args: string[],
  ready: (line: string) => T | undefined,
  options: Omit<ProgramOptions, 'input'> = {},
): Promise<Daemon<T>> {
  const child = spawnTied(command, args, options)
  child.stdin.end()
  const exited: Promise<[number | null]> = once(child, 'exit') as Promise<[number | null]>
  const stop = async () => {
    child.kill('SIGTERM')
    const deadline = setTimeout(() => child.kill('SIGKILL'), deadlineMilliseconds)
    const [code] = await exited
    clearTimeout(deadline)
    return code
  }
  atEnd(stop)
  return { readiness: await firstLine(child, `${command} ${args.join(' ')}`, ready), stop }
}

function firstLine<T>(child: Child, name: string, ready: (line: string) => T | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const lines: string[] = []
    const fail = (what: string) => reject(new Error(`${name} ${what}:\n${lines.join('\n')}`))
    const deadline = setTimeout(() => fail('is not ready'), deadlineMilliseconds)
    const settled = () => clearTimeout(deadline)
    child.once('exit', (code, signal) => {
      settled()
      fail(`ended with ${code ?? signal}`)
    })
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => {
        lines.push(line)
        const readiness = ready(line)
        if (readiness === undefined) return
        settled()
        resolve(readiness)
      })
  })
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

/** A program that ends with this process, even where this one is killed. */
function spawnTied(command: string, args: string[], { env = {}, cwd }: ProgramOptions): Child {
  return spawn('setpriv', ['--pdeathsig', 'TERM', '--', command, ...args], {
    env: { ...environment, ...env },
    cwd,
    stdio: 'pipe',
  })
}
