import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { endBefore } from './temporary.ts'

const entry = join(import.meta.dirname, '../src/lookaside.js')

export interface ServerProcess {
  process: ChildProcess
  origin: string
  port: number
  /** Lines of its log, so far. */
  log: Record<string, unknown>[]
  /** Sends a signal and waits for the end; returns the exit code or the signal. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

/** A server in a process of its own, listening. It ends before its data folder goes. */
export const spawnServer = (data: string, ...options: string[]): Promise<ServerProcess> =>
  spawnServerIn({}, data, ...options)

/** The same, with these variables beside those of the tests. */
export async function spawnServerIn(
  variables: Record<string, string>,
  data: string,
  ...options: string[]
): Promise<ServerProcess> {
  const child = spawn(
    process.execPath,
    [entry, 'serve', '--data', data, '--listen', '127.0.0.1:0', '--tls', 'off', '--workers', '1', ...options],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...variables } },
  )
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const ended = once(child, 'exit').then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals)
  endBefore(data, () => {
    child.kill('SIGKILL')
    return ended
  })
  const log: Record<string, unknown>[] = []
  const listening = new Promise<string>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      const entry = JSON.parse(line) as Record<string, unknown>
      log.push(entry)
      if (entry.msg === 'listening') resolve(entry.url as string)
    })
  })
  const origin = await Promise.race([
    listening,
    ended.then((end) => {
      throw new Error(`the server ended with ${end} before it listened: ${errors}`)
    }),
  ])
  return {
    process: child,
    origin,
    port: Number(new URL(origin).port),
    log,
    end(signal) {
      child.kill(signal)
      return ended
    },
  }
}
