import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { spawnServerIn } from '../process.ts'
import { ask } from '../server.ts'
import { temporaryFolder } from '../temporary.ts'
import { fillWithDigests } from './listing-app.ts'

const digests = 1_000_000

test('a listing of a million digests takes no more memory than a short one, and readers of slots do not wait for it', {
  skip: process.platform !== 'linux' && 'what a process has in memory is read from /proc',
}, async () => {
  let end = async () => {}
  const data = temporaryFolder(() => end())
  await fillWithDigests(data, digests)
  // All digests but one are damaged in this database, which a tree that is written of them would tell of each.
  const server = await spawnServerIn({ LOOKASIDE_TREE_ENABLED: 'false' }, data)
  end = async () => void (await server.end('SIGKILL'))
  const residentMegabytes = () =>
    Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.process.pid}/status`, 'utf8'))?.[1]) / 1024
  const path = '/signatures/team/'
  const list = async (limit: number) => {
    let [links, bytes, peak] = [0, 0, 0]
    let rest = ''
    const request = get(`${server.origin}${path}`)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    for await (const chunk of response.setEncoding('latin1') as AsyncIterable<string>) {
      bytes += chunk.length
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('<a href="app@')) links++
      peak = Math.max(peak, residentMegabytes())
      if (links >= limit) break
    }
    return { links, megabytes: bytes / 1024 / 1024, peak }
  }
  const slot = `${path}app@sha256=${'2'.padStart(64, '0')}/signature-1`
  let isListing = true
  const waits: number[] = []
  const readers = async () => {
    while (isListing) {
      const start = performance.now()
      assert.equal((await ask(server, 'GET', slot)).status, 200)
      waits.push(performance.now() - start)
    }
  }

  const short = await list(100_000)
  const reading = readers()
  const whole = await list(Number.POSITIVE_INFINITY)
  isListing = false
  await reading
  const median = waits.toSorted((a, b) => a - b)[Math.floor(waits.length / 2)] as number
  assert.equal(whole.links, digests)
  assert.ok(whole.megabytes > 150)
  const growth = whole.peak - short.peak
  assert.ok(growth < 50, `it grew by ${growth} MB while ${whole.megabytes} MB went out`)
  assert.ok(median < 50, `a slot took ${median} ms`)
})
