import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { Worker } from 'node:worker_threads'
import { type Action, parseScope } from '../../src/access/principal.ts'
import { readPosition } from '../../src/tree/position.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { halves, moveTo } from '../apart.ts'
import { eventually } from '../eventually.ts'
import { type ServerProcess, spawnServerIn } from '../process.ts'
import { type Answer, ask, newToken } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { receive } from './answers.ts'
import { openAgain } from './connections.ts'
import type { Expected, Measured } from './reader.ts'

/** A server in a process of its own, with TLS, that is attacked while others read. */
export interface Attacked {
  server: ServerProcess
  data: string
  ca: Buffer
  /** What a reader gets. */
  expected: Expected[]
  token(...scopes: (`${Action}:${string}` | 'admin')[]): Promise<string>
  ask(method: string, path: string, options?: Parameters<typeof ask>[3]): Promise<Answer>
  /** A TLS connection, from an address of this machine that `from` chooses. */
  open(from?: number): Promise<TLSSocket>
  /** Reads beside the attack until it has ended, and tells how long they took: every answer has to be right. */
  whileReading<T>(t: TestContext, what: string, attack: () => Promise<T>): Promise<T>
  /** Memory it has now, and the most that it ever had since it was asked before; in bytes, of all its processes. */
  memory(): { now: number; peak: number }
  /** Files and connections that it has open. */
  openFiles(): number
  /** What it thinks worth an alarm. */
  alarms(): Record<string, unknown>[]
  /** Ends it, and is sure that it went well. */
  end(): Promise<void>
}

/** With `APART` the server has half of the processors for itself: attackers come from other machines. */
const apart = process.env.APART ? halves() : null

export async function startAttacked(
  options: string[] = [],
  variables: Record<string, string> = {},
  sign: (tag: number, digest: string) => Buffer = (_, digest) => newBlob({ digest }),
): Promise<Attacked> {
  const data = temporaryFolder()
  if (apart) moveTo(apart.server)
  const server = await spawnServerIn(variables, data, '--tls', 'auto', ...options)
  if (apart) moveTo(apart.others)
  const { process: child, port, log } = server
  const ca = readFileSync(join(data, 'tls/ca.crt'))
  const token: Attacked['token'] = (...scopes) => newToken(data, scopes.map(parseScope))
  const open: Attacked['open'] = async (from = 0) => {
    const socket = connect({ ...nowhere(from), port, ca })
    await comes(socket, 'secureConnect')
    return socket
  }
  const alarms = () => log.filter(({ level }) => level === 'error' || level === 'fatal')
  const expected = await fill(await token('push:**'), open, sign)
  // What a server opens for its start, it has open or closed by then.
  const signatures = expected.filter(({ status }) => status === 200).length
  await eventually(async () => (await readPosition(treeOf(data)))?.seq === signatures)
  const processes = () => [child.pid as number, ...childrenOf(child.pid as number)]

  return {
    server,
    data,
    ca,
    expected,
    token,
    ask: (method, path, options) => ask({ port }, method, path, { ca, ...options }),
    open,
    alarms,
    openFiles: () => processes().reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0),
    memory() {
      const [now, peak] = [/^VmRSS:\s+(\d+)/m, /^VmHWM:\s+(\d+)/m].map((field) =>
        processes().reduce(
          (sum, pid) => sum + Number(field.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
          0,
        ),
      ) as [number, number]
      // proc(5): the peak begins anew.
      for (const pid of processes()) writeFileSync(`/proc/${pid}/clear_refs`, '5')
      return { now, peak }
    },
    async whileReading(t, what, attack) {
      const end = await startReading({ port, ca, expected })
      const result = await attack().finally(async () => {
        const { wrong, kept, fresh } = await end()
        assert.deepEqual(wrong, [])
        assert.ok(kept.length > 0 && fresh.length > 0)
        t.diagnostic(
          `${what}: ${kept.length} reads beside it, p50 ${at(kept, 0.5)}, p99 ${at(kept, 0.99)} ms; ` +
            `${fresh.length} with a handshake, p50 ${at(fresh, 0.5)}, p99 ${at(fresh, 0.99)} ms`,
        )
      })
      assert.equal(child.exitCode, null)
      return result
    },
    async end() {
      assert.deepEqual(alarms(), [])
      assert.equal(await server.end('SIGTERM'), 0)
    },
  }
}

/** Waits for an event; it fails where the connection is closed instead. Later on no failure of the connection is one. */
export async function comes(socket: Socket, event: 'connect' | 'secureConnect' | 'data'): Promise<void> {
  socket.on('error', () => {})
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const closed = () => reject(new Error(`the connection was closed before ${event}`))
  socket.once(event, resolve).once('close', closed)
  await promise.finally(() => socket.off('close', closed))
}

/** One machine has some 28,000 ports for each pair of addresses. */
export const nowhere = (from: number) => ({ host: '127.0.0.1', localAddress: `127.0.0.${1 + (from % 16)}` })

/** Three signatures of one image; the slot behind them, and another image, have none. */
async function fill(
  token: string,
  open: () => Promise<TLSSocket>,
  sign: (tag: number, digest: string) => Buffer,
): Promise<Expected[]> {
  const digest = exampleDigest()
  const location = `/signatures/team/app@${digest.replace(':', '=')}`
  const expected: Expected[] = []
  for (let slot = 1; slot <= 3; slot++) {
    const blob = sign(slot, digest)
    const socket = await openAgain(open)
    const head = `POST /api/v1/signatures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n`
    socket.write(Buffer.concat([Buffer.from(`${head}Content-Length: ${blob.length}\r\n\r\n`), blob]))
    assert.match((await receive(socket)).toString('latin1'), /^HTTP\/1\.1 201 /)
    const sha256 = createHash('sha256').update(blob).digest('hex')
    expected.push({ path: `${location}/signature-${slot}`, status: 200, sha256 })
  }
  const sha256 = createHash('sha256').digest('hex')
  expected.push({ path: `${location}/signature-4`, status: 404, sha256 })
  expected.push({
    path: `/signatures/team/other@sha256=${'b'.repeat(64)}/signature-1`,
    status: 404,
    sha256,
  })
  return expected
}

/** Reads in a thread of its own, so that what this one does is not in the figures; ends with these. */
async function startReading(workerData: {
  port: number
  ca: Uint8Array
  expected: Expected[]
}): Promise<() => Promise<Measured>> {
  const worker = new Worker(new URL('./reader.ts', import.meta.url), { workerData })
  after(() => worker.terminate())
  await once(worker, 'message')
  const measured = once(worker, 'message')
  return async () => {
    worker.postMessage('end')
    const [figures] = await measured
    return figures as Measured
  }
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.split(' ').filter(Boolean).map(Number)
}

function at(milliseconds: readonly number[], share: number): string {
  const sorted = [...milliseconds].sort((one, other) => one - other)
  return (sorted[Math.floor(share * (sorted.length - 1))] as number).toFixed(1)
}
