import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sample, Subject } from './compare.ts'
import { mebibytes } from './cpu.ts'
import { fillDataFolder, signaturesPerDigest } from './data-folder.ts'
import { installed } from './installed.ts'
import { certificateOf, digestsToRead } from './reads.ts'
import { progress } from './report.ts'
import { type Benchmark, compareAndSay } from './settings.ts'
import { tied } from './tied.ts'
import { entry, startLookaside, type WebServer } from './web-servers.ts'

export const mirroring: Benchmark = {
  without: { lftp: 'lftp over the tree' },
  async run(settings) {
    const { dataFolder, scratch, workers, say } = settings
    const digests = digestsToRead(settings)
    await fillDataFolder(dataFolder, digests, (done) => progress('filling', done, digests))
    const lftp = installed('lftp')
    const server = await startLookaside(dataFolder, { workers })
    try {
      const signatures = digests * signaturesPerDigest
      const copied = { server, ca: certificateOf(dataFolder).ca, signatures, scratch }
      const us = copyingByLog(copied)
      const title = `Mirror: ${signatures} signatures of ${digests} digests, over TLS, from empty`
      const subjects = lftp ? [copyingByLftp(copied, lftp), us] : [us]
      const rounds = { ...settings.rounds, seconds: 0, warmUp: false }
      await compareAndSay({ rounds, say }, title, 'signatures', subjects)
      say(`${us.name} had ${Math.max(...us.peaks).toFixed(0)} MiB in memory at most.`)
    } finally {
      await server.stop()
    }
  },
}

/** How often the memory of a process is looked at. */
const lookMilliseconds = 50

interface Copying extends Subject {
  /** The most that the process had in memory in each round, in MiB. */
  peaks: number[]
}

/** What is copied: all of it, from empty, in each round. */
interface Copied {
  server: WebServer
  ca: string
  signatures: number
  /** A folder for what is made. */
  scratch: string
}

/** We, by the change log; what was copied is durable, in the database. */
function copyingByLog({ server, ca, signatures, scratch }: Copied): Copying {
  const data = join(scratch, 'copy-by-log')
  const policy = join(scratch, 'policy.json')
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}')
  const from = `https://127.0.0.1:${server.port}/signatures`
  const options = ['--from', from, '--policy', policy, '--ca', ca, '--data', data]
  return copying('lookaside mirror', data, signatures, process.execPath, [entry, 'mirror', ...options])
}

/** lftp over the tree that the same server shows; files are not synced. */
function copyingByLftp({ server, ca, signatures, scratch }: Copied, lftp: string): Copying {
  const target = join(scratch, 'copy-by-lftp')
  const script = [
    `set ssl:ca-file ${ca}`,
    'set net:connection-limit 8',
    `mirror --parallel=8 https://127.0.0.1:${server.port}/signatures/ ${target}`,
  ]
  return copying('lftp mirror, 8 at once', target, signatures, lftp, ['-c', script.join('; ')])
}

function copying(name: string, target: string, signatures: number, program: string, args: string[]): Copying {
  const peaks: number[] = []
  return {
    name,
    peaks,
    async measure(): Promise<Sample> {
      rmSync(target, { recursive: true, force: true })
      mkdirSync(target)
      const start = performance.now()
      const copy = tied(spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] }))
      let peak = 0
      const look = setInterval(() => {
        peak = Math.max(peak, mebibytes(copy.pid, 'VmHWM'))
      }, lookMilliseconds)
      const [code] = await once(copy, 'exit')
      clearInterval(look)
      if (code !== 0) throw new Error(`${name} ended with ${code}`)
      peaks.push(peak)
      return { rate: signatures / ((performance.now() - start) / 1000), processor: null, times: null }
    },
  }
}
