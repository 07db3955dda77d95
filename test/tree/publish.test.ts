import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { treeOf } from '../../src/tree/tree.ts'
import { eventually } from '../eventually.ts'
import { type ServerProcess, spawnServer } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { readDocroot, readSlots, sha256 } from './published.ts'

interface Publisher {
  data: string
  /** What is published, and what is configured so. */
  directory: string
  storage: Storage
  start(...options: string[]): Promise<ServerProcess>
  /** Uploads a signature of the image of that number; returns the number that the signature has. */
  upload(to: ServerProcess, image: number, blob?: Buffer): Promise<number>
  withdraw(...signatures: number[]): Promise<unknown>
  /** Waits until readers of the directory find what the database says. */
  inStep(): Promise<void>
}

/**
 * A data folder, and servers on it that publish a directory. Times of slots have whole seconds: of one of grace next to
 * nothing may be left.
 */
async function publisher(directory?: string, graceSeconds = 2): Promise<Publisher> {
  const folder = temporaryFolder(() => storage.close())
  const data = join(folder, 'data')
  const published = directory ?? join(folder, 'sites/published')
  const configuration = join(folder, 'lookaside.yaml')
  writeFileSync(
    configuration,
    JSON.stringify({
      publish: [{ directory: published }],
      digestViews: [{ base: 'view', repositories: ['**'] }],
      withdraw: { graceSeconds },
    }),
  )
  const token = await newToken(data, [{ action: 'admin' }])
  const storage = openSqlite({ dataFolder: data })
  return {
    data,
    directory: published,
    storage,
    start: (...options) => spawnServer(data, '--config', configuration, ...options),
    async upload(to, image, body = newBlob({ digest: digestOf(image) })) {
      const answer = await ask(to, 'POST', '/api/v1/signatures', { token, body })
      assert.equal(answer.status, 201)
      return answer.json().id as number
    },
    withdraw: (...signatures) =>
      storage.withdraw(signatures, { actor: 'tester', reason: null, graceSeconds }),
    inStep: () =>
      eventually(async () => isDeepStrictEqual(await readDocroot(published), await readSlots(storage))),
  }
}

const digestOf = (image: number) => `sha256:${String(image).padStart(64, '0')}`

const told = (server: ServerProcess, message: RegExp) =>
  server.log.filter(({ msg }) => message.test(String(msg)))

test('a published directory follows the log: additions, views and withdrawals, with the times of the slots', async () => {
  const { directory, storage, start, upload, withdraw, inStep } = await publisher()
  const server = await start()
  const ids: number[] = []
  for (let image = 1; image <= 4; image++)
    for (let count = 0; count < 3; count++) ids.push(await upload(server, image))
  await inStep()
  assert.equal(Object.keys(await readDocroot(directory)).length, 24, 'each in its repository and in the view')

  await withdraw(ids[0] as number, ids[4] as number, ids[8] as number)
  await withdraw(ids[9] as number, ids[10] as number, ids[11] as number)
  await eventually(async () => Object.keys(await readSlots(storage)).length === 12)
  await inStep()
  assert.deepEqual(readdirSync(directory).sort(), ['.lookaside', '.position', 'team', 'view'])
  assert.deepEqual(readdirSync(join(directory, '.lookaside')), ['tmp'])
  assert.equal(await server.end('SIGTERM'), 0)
})

test('all that was uploaded before a server is stopped is in the trees after it', async () => {
  const { data, directory, storage, start, upload } = await publisher()
  for (let round = 0; round < 3; round++) {
    const server = await start('--workers', round ? '2' : '1')
    await Promise.all(Array.from({ length: 8 }, (_, index) => upload(server, index + 1)))
    assert.equal(await server.end('SIGTERM'), 0)
    const slots = await readSlots(storage)
    assert.equal(Object.keys(slots).length, (round + 1) * 8 * 2)
    assert.deepEqual(await readDocroot(directory), slots)
    assert.deepEqual(await readDocroot(treeOf(data).root), slots)
  }
})

test('a server that is killed midway, again and again, ends with a directory in step', async () => {
  const { directory, storage, start, upload, withdraw, inStep } = await publisher()
  const ids: number[] = []
  for (let round = 0; round < 4; round++) {
    const server = await start()
    const before = ids.length
    let killed = false
    const work = async (image: number) => {
      while (!killed) {
        try {
          ids.push(await upload(server, image))
        } catch (error) {
          if (error instanceof assert.AssertionError || !killed) throw error
        }
      }
    }
    const working = [1, 2, 3, 4].map(work)
    // Midway: the directory is written to.
    await eventually(() => ids.length >= before + 20 && existsSync(join(directory, '.lookaside/tmp')))
    killed = true
    await server.end('SIGKILL')
    await Promise.all(working)
    // While nobody publishes.
    await withdraw(...ids.slice(before, before + 5))
  }
  // What a kill leaves now and then.
  writeFileSync(join(directory, '.lookaside/tmp/unfinished'), '')
  await start()
  await inStep()
  assert.ok(Object.keys(await readSlots(storage)).length > 100)
  assert.deepEqual(readdirSync(join(directory, '.lookaside')), ['tmp'])
  // Readers find all of it before the position is written, by way of the same folder.
  await eventually(async () => readdirSync(join(directory, '.lookaside/tmp')).length === 0)
})

test('a directory that holds something else is left alone, until it is emptied', async () => {
  const folder = temporaryFolder()
  const directory = join(folder, 'site')
  mkdirSync(join(directory, 'team'), { recursive: true })
  writeFileSync(join(directory, 'team/index.html'), 'somebody’s')
  const { start, upload, inStep } = await publisher(directory)
  const server = await start()
  await upload(server, 1)
  await eventually(async () => told(server, /is left alone/).length === 1)
  assert.equal(told(server, /is left alone/)[0]?.tree, directory)
  assert.deepEqual(readdirSync(directory, { recursive: true }).sort(), ['team', 'team/index.html'])

  rmSync(join(directory, 'team'), { recursive: true })
  await inStep()
  assert.equal(told(server, /is left alone/).length, 1, 'it is told once')
})

test('a directory that shows another log is left alone, until it is emptied', async () => {
  const one = await publisher()
  const first = await one.start()
  await one.upload(first, 1)
  await one.inStep()
  assert.equal(await first.end('SIGTERM'), 0)
  const before = await readDocroot(one.directory)

  const other = await publisher(one.directory)
  const server = await other.start()
  await other.upload(server, 1)
  await other.upload(server, 2)
  await eventually(async () => told(server, /is left alone/).length === 1)
  assert.deepEqual(await readDocroot(one.directory), before)
  for (const name of readdirSync(one.directory)) rmSync(join(one.directory, name), { recursive: true })
  await other.inStep()
})

test('a fresh file system with its lost+found counts as empty', async () => {
  const directory = join(temporaryFolder(), 'mount')
  mkdirSync(join(directory, 'lost+found'), { recursive: true })
  const { start, upload, inStep } = await publisher(directory)
  await upload(await start(), 1)
  await inStep()
})

test('what cannot be written is told, tried again, and known after a restart; the rest goes on', async () => {
  const { directory, start, upload, storage, inStep } = await publisher()
  const first = await start()
  await upload(first, 1)
  await inStep()
  // A file where the folder of the view must be.
  rmSync(join(directory, 'view'), { recursive: true })
  writeFileSync(join(directory, 'view'), '')
  await upload(first, 1)
  await upload(first, 2)
  await eventually(async () => told(first, /a directory of the tree cannot be written/).length === 2)
  const { seq } = await storage.head()
  await eventually(async () => JSON.parse(readFileSync(join(directory, '.position'), 'utf8')).seq === seq)
  const written = Object.keys(await readDocroot(directory)).filter((path) => path.startsWith('team/'))
  assert.equal(written.length, 3)
  assert.deepEqual(await storage.backlog(), [], 'the tree of the data folder has nothing to do with it')
  await first.end('SIGKILL')

  rmSync(join(directory, 'view'))
  await start()
  await inStep()
  await eventually(async () => readFileSync(join(directory, '.lookaside/backlog.json'), 'utf8') === '[]\n')
})

test('a directory that is not there for a while is published when it is', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'disk'), 'no folder')
  const { start, upload, inStep } = await publisher(join(folder, 'disk/site'))
  const server = await start()
  await upload(server, 1)
  await eventually(async () => told(server, /the tree cannot be written/).length > 0)
  rmSync(join(folder, 'disk'))
  await inStep()
})

test('who walks the slots meanwhile finds every live signature in each walk, and none that is not whole', async () => {
  // Nothing here waits for its end, and a walk may take long.
  const { directory, start, upload, withdraw, inStep } = await publisher(undefined, 60)
  const server = await start()
  const folder = join(directory, `team/app@sha256=${'1'.padStart(64, '0')}`)
  const sent = new Set<string>()
  /** What each walk that begins now must find, unless it is withdrawn before the walk ends. */
  const live = new Set<string>()
  let ended = false
  let walks = 0

  const walkSlots = async (longestPause: number) => {
    const expected = [...live]
    const found = new Set<string>()
    for (let slot = 1; ; slot++) {
      const content = await readFile(join(folder, `signature-${slot}`)).catch(({ code }) => code)
      if (content === 'ENOENT') break
      found.add(sha256(content))
      // The writer goes on between two slots, as it does while a client reads over a network.
      if (longestPause) await wait(Math.random() * longestPause)
    }
    for (const hash of found) assert.ok(sent.has(hash), 'a file is not whole')
    for (const hash of expected) assert.ok(found.has(hash) || !live.has(hash), 'a live signature was missed')
    walks++
  }
  const add = async () => {
    const blob = newBlob({ digest: digestOf(1) })
    sent.add(sha256(blob))
    return { id: await upload(server, 1, blob), hash: sha256(blob) }
  }
  const change = async () => {
    const signatures = await Promise.all(Array.from({ length: 10 }, add))
    await inStep()
    for (const { hash } of signatures) live.add(hash)
    for (let round = 0; round < 6; round++) {
      const [gone] = signatures.splice(Math.floor(Math.random() * signatures.length), 1)
      assert.ok(gone)
      live.delete(gone.hash)
      const added = await Promise.all([add(), withdraw(gone.id)]).then(([one]) => one)
      await inStep()
      signatures.push(added)
      live.add(added.hash)
    }
  }
  const reader = async (longestPause: number) => {
    while (!ended) await walkSlots(longestPause)
  }
  const changing = change().finally(() => {
    ended = true
  })
  await Promise.all([changing, reader(0), reader(5), reader(20)])
  assert.ok(walks > 50, `${walks} walks`)
})
