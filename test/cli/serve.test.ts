import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually } from '../eventually.ts'
import { freePort } from '../free-port.ts'
import { spawnServer, spawnServerIn } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { lookaside } from './run.ts'

const entry = join(import.meta.dirname, '../../src/lookaside.js')

for (const workers of ['1', '2']) {
  test(`with ${workers} workers, a port that is taken is told of, and ends it with 3`, async (t) => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    t.after(() => taken.close())
    const { port } = taken.address() as { port: number }
    const start = spawnServer(temporaryFolder(), '--listen', `127.0.0.1:${port}`, '--workers', workers)
    await assert.rejects(start, /ended with 3 .*EADDRINUSE/s)
  })

  test(`with ${workers} workers, a data folder that cannot be used ends it with 2`, async () => {
    const data = join(temporaryFolder(), 'file')
    writeFileSync(data, '')
    await assert.rejects(spawnServer(data, '--workers', workers), /ended with 2 /)
  })

  test(`with ${workers} workers, an upload under way is finished however often SIGTERM comes`, async () => {
    const data = temporaryFolder()
    const server = await spawnServer(data, '--workers', workers)
    const token = await newToken(data, [{ action: 'admin' }])
    const blob = newBlob()
    const socket = connect(server.port, '127.0.0.1')
    await once(socket, 'connect')
    const head = `POST /api/v1/signatures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`
    // The server says when it has read the head.
    socket.write(`${head}Expect: 100-continue\r\nContent-Length: ${blob.length}\r\n\r\n`)
    const received = socket.setEncoding('latin1')[Symbol.asyncIterator]()
    assert.match((await received.next()).value, /^HTTP\/1\.1 100 /)
    const ended = server.end('SIGTERM')
    while (!server.log.some(({ msg }) => msg === 'stopping')) await once(server.process.stdout as any, 'data')
    server.process.kill('SIGTERM')
    socket.write(blob)
    assert.match((await received.next()).value, /^HTTP\/1\.1 201 /)
    assert.equal(await ended, 0)
  })
}

test('a worker that dies is replaced, and nobody notices', async () => {
  const data = temporaryFolder()
  const server = await spawnServer(data, '--workers', '2')
  const token = await newToken(data, [{ action: 'admin' }])
  assert.equal((await ask(server, 'POST', '/api/v1/signatures', { token, body: newBlob() })).status, 201)
  // The other one must have come so far as to take over.
  const bound = () => server.log.filter(({ msg }) => String(msg).startsWith('bound to')).length
  while (bound() < 2) await once(server.process.stdout as any, 'data')
  const pid = server.log.find(({ msg }) => msg === 'listening')?.pid as number
  process.kill(pid, 'SIGKILL')
  const died = () => server.log.some(({ msg }) => String(msg).startsWith('a worker died'))
  while (!died()) await once(server.process.stdout as any, 'data')
  assert.equal((await ask(server, 'GET', '/api/v1/signatures')).json().signatures.length, 1)
  assert.equal(await server.end('SIGTERM'), 0)
})

/** Where Node starts others, it looks for itself at `path`. */
const nodeAt = (path: string) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`process.execPath = ${JSON.stringify(path)}`)}`,
})

test('a worker that cannot be started, as while Node is replaced, is tried again, and those that serve go on', async () => {
  const data = temporaryFolder()
  const node = join(temporaryFolder(), 'node')
  symlinkSync(process.execPath, node)
  const server = await spawnServerIn(nodeAt(node), data, '--workers', '2')
  const bound = () => server.log.filter(({ msg }) => String(msg).startsWith('bound to'))
  await eventually(() => bound().length === 2)
  rmSync(node)
  process.kill(bound()[0]?.pid as number, 'SIGKILL')
  const attempts = () => server.log.filter(({ msg }) => msg === 'a worker cannot be started').length
  await eventually(() => attempts() >= 2 || server.process.exitCode !== null)
  assert.equal((await ask(server, 'GET', '/healthz')).status, 200)
  symlinkSync(process.execPath, node)
  await eventually(() => bound().length === 3)
  // Those that were none are not counted among them.
  await eventually(async () => {
    const metrics = (await ask(server, 'GET', '/metrics')).body.toString()
    return [1, 2].every((worker) => metrics.includes(`\nlookaside_worker_up{worker="${worker}"} 1\n`))
  })
  assert.equal(await server.end('SIGTERM'), 0)
})

test('where no worker can be started, it ends with 3', async () => {
  const start = spawnServerIn(nodeAt('/nowhere/node'), temporaryFolder(), '--workers', '2')
  await assert.rejects(start, /ended with 3 /)
})

test('a log that cannot be written stops neither the server nor its end', async () => {
  const data = temporaryFolder()
  const port = await freePort()
  const full = openSync('/dev/full', 'w')
  const child = spawn(
    process.execPath,
    [entry, 'serve', '--data', data, '--listen', `127.0.0.1:${port}`, '--tls', 'off', '--workers', '1'],
    { stdio: ['ignore', full, 'ignore'] },
  )
  closeSync(full)
  after(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const isHealthy = () =>
    ask({ port }, 'GET', '/healthz').then(
      ({ status }) => status === 200,
      () => false,
    )
  while (!(await isHealthy())) assert.equal(child.exitCode, null)
  const token = await newToken(data, [{ action: 'admin' }])
  for (let count = 0; count < 20; count++)
    assert.equal((await ask({ port }, 'POST', '/api/v1/signatures', { token, body: newBlob() })).status, 201)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

test('whatever the umask, nobody else can write what is stored, and only the owner reads the database', async () => {
  const data = temporaryFolder()
  const child = spawn('sh', [
    ...['-c', 'umask 0 && exec "$0" "$@"', process.execPath, entry],
    ...['serve', '--data', data, '--listen', '127.0.0.1:0', '--tls', 'off', '--workers', '1'],
  ])
  after(() => child.kill('SIGKILL'))
  let log = ''
  for await (const chunk of child.stdout) {
    log += chunk
    if (log.includes('"listening"')) break
  }
  for (const name of readdirSync(data)) assert.equal(statSync(join(data, name)).mode & 0o022, 0, name)
  assert.equal(statSync(join(data, 'lookaside.db')).mode & 0o077, 0)
  child.kill('SIGTERM')
})

test('what serves has its options of V8, in the process that was started and in its workers', async () => {
  const { process: child, log, end } = await spawnServer(temporaryFolder(), '--workers', '2')
  const worker = log.find(({ msg }) => msg === 'listening')?.pid
  assert.notEqual(worker, child.pid)
  for (const pid of [child.pid, worker]) {
    const [, ...given] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const options = given.slice(0, given.indexOf(entry))
    assert.deepEqual(options, [
      '--no-parallel-scavenge',
      '--max-semi-space-size=4',
      '--no-allocation-site-pretenuring',
      '--external-memory-accounted-in-global-limit',
    ])
  }
  assert.equal(await end('SIGTERM'), 0)
})

test('it serves where Node cannot be started anew with options, as where there is no /proc', async () => {
  const failing = "data:text/javascript,process.execve=()=>{throw%20new%20Error('ENOENT')}"
  const { origin, end } = await spawnServerIn({ NODE_OPTIONS: `--import=${failing}` }, temporaryFolder())
  assert.equal((await fetch(`${origin}/healthz`)).status, 200)
  assert.equal(await end('SIGTERM'), 0)
})

test('threads that readers need not wait for come after those that answer them', {
  skip: process.platform !== 'linux' && 'elsewhere threads have no priorities of their own',
}, async () => {
  const { process: child, end } = await spawnServer(temporaryFolder())
  const tasks = `/proc/${child.pid}/task`
  const threads = () =>
    readdirSync(tasks).map((id) => {
      // proc(5): the name of the thread is in parentheses, its niceness the nineteenth field.
      const [, name = '', rest = ''] = /\((.*)\) (.*)/.exec(readFileSync(`${tasks}/${id}/stat`, 'utf8')) ?? []
      return { id: Number(id), isOfV8: name.includes('V8Worker'), nice: Number(rest.split(' ')[16]) }
    })
  const nicenessOfV8 = threads().flatMap(({ isOfV8, nice }) => (isOfV8 ? nice : []))
  assert.deepEqual([...new Set(nicenessOfV8)], [7])
  assert.equal(threads().find(({ id }) => id === child.pid)?.nice, 0)
  // Of admission and tree, which may be starting still.
  await eventually(() => {
    const others = threads().flatMap(({ isOfV8, nice }) => (isOfV8 ? [] : nice))
    return others.includes(7) && others.includes(19)
  })
  assert.equal(await end('SIGTERM'), 0)
})

test('the compiled program is kept where nobody else can write, and needs no such place', async () => {
  const starts = async (HOME: string) => {
    const { code } = await lookaside(['--version'], { env: { HOME, NODE_COMPILE_CACHE: '' } })
    assert.equal(code, 0)
  }
  const [home, open] = [temporaryFolder(), temporaryFolder()]
  await starts(home)
  assert.equal(statSync(join(home, '.cache/lookaside')).mode & 0o777, 0o700)
  assert.notDeepEqual(readdirSync(join(home, '.cache/lookaside')), [])
  mkdirSync(join(open, '.cache'))
  chmodSync(join(open, '.cache'), 0o777)
  await starts(open)
  assert.deepEqual(readdirSync(join(open, '.cache')), [])
  // Of this folder Linux says that it is not there when something is made in it.
  await starts('/proc')
  await starts('')
})
