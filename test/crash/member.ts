import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { eventually } from '../eventually.ts'
import { freePort } from '../free-port.ts'
import { type ServerProcess, spawnServer } from '../process.ts'
import { temporaryFolder } from '../temporary.ts'

/** A server that is killed and started again at the same place, of one process or of a primary and its workers. */
export interface Member {
  data: string
  port: number
  start(): Promise<void>
  /** All its processes at one moment; or the primary alone, which the others are to follow by themselves. */
  killAndStart(primaryAlone: boolean): Promise<void>
  /** One that serves; another is to take its place. */
  killWorker(): Promise<void>
  stop(): Promise<number | NodeJS.Signals | undefined>
}

export async function newMember(config: Record<string, unknown> & { workers: number }): Promise<Member> {
  const data = temporaryFolder()
  const port = await freePort()
  const file = join(data, 'lookaside.yaml')
  // A grace that ends while the test runs, and longer than a walk takes.
  writeFileSync(file, JSON.stringify({ withdraw: { graceSeconds: 10 }, ...config }))
  let running: ServerProcess | undefined
  const processes = new Set<number>()
  const workers = () => {
    const found = childrenOf(running?.process.pid as number)
    for (const pid of found) processes.add(pid)
    return found
  }
  after(async () => {
    const left = [...workers(), ...processes]
    await running?.end('SIGKILL')
    for (const pid of left) kill(pid)
  })

  const start = async () => {
    const options = ['--config', file, '--listen', `127.0.0.1:${port}`, '--workers', String(config.workers)]
    for (;;) {
      try {
        running = await spawnServer(data, ...options)
        workers()
        return
      } catch (error) {
        // Workers whose primary was killed let go of the port when they have ended what is under way.
        assert.match(String(error), /EADDRINUSE/)
        await wait(50)
      }
    }
  }

  return {
    data,
    port,
    start,
    async killAndStart(primaryAlone) {
      const left = workers()
      const ended = running?.end('SIGKILL')
      if (!primaryAlone) for (const pid of left) kill(pid)
      await ended
      await start()
      if (primaryAlone) await eventually(() => left.every((pid) => !isAlive(pid)))
      for (const pid of left) processes.delete(pid)
    },
    async killWorker() {
      const pids = workers()
      const victim = pids[Math.floor(Math.random() * pids.length)]
      if (victim === undefined) return
      kill(victim)
      await eventually(() => workers().filter((pid) => pid !== victim).length === config.workers)
    },
    async stop() {
      const code = await running?.end('SIGTERM')
      await eventually(() => [...processes].every((pid) => !isAlive(pid)))
      return code
    },
  }
}

/** Linux alone tells (proc_pid_task(5)). */
function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`
  return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : []
}

/** A dead one that nobody has waited for is none. */
function isAlive(pid: number): boolean {
  const file = `/proc/${pid}/stat`
  return existsSync(file) && !/\) [ZX] /.test(readFileSync(file, 'utf8'))
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {}
}
