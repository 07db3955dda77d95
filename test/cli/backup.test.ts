import assert from 'node:assert/strict'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { type ServerProcess, spawnServer } from '../process.ts'
import { ask, newToken } from '../server.ts'
import { exampleDigest, newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { lookaside } from './run.ts'

/** A server with its data folder, an empty folder for backups, and uploads that are counted once acknowledged. */
async function running() {
  const servers: ServerProcess[] = []
  const folder = temporaryFolder(() => Promise.all(servers.map((server) => server.end('SIGKILL'))))
  const data = join(folder, 'data')
  const start = async (dataFolder = data) => {
    const server = await spawnServer(dataFolder)
    servers.push(server)
    return server
  }
  const server = await start()
  const token = await newToken(data, [{ action: 'admin' }])
  const acknowledged = new Map<string, Buffer>()
  let count = 0
  const upload = async () => {
    const blob = newBlob({ digest: `sha256:${String(Math.floor(count++ / 100)).padStart(64, '0')}` })
    const answer = await ask(server, 'POST', '/api/v1/signatures', { token, body: blob })
    assert.equal(answer.status, 201)
    acknowledged.set(new URL(answer.json().url).pathname, blob)
  }
  return { folder, data, server, start, upload, acknowledged }
}

async function assertServed(server: ServerProcess, blobs: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [path, blob] of blobs) {
    const { status, body } = await ask(server, 'GET', path)
    assert.deepEqual([status, body], [200, blob], path)
  }
}

test('a backup during uploads has all that was acknowledged before, and leaves nothing else behind', async () => {
  const { folder, data, start, upload, acknowledged } = await running()
  let over = false
  const uploading = Array.from({ length: 8 }, async () => {
    while (!over) await upload()
  })
  const backups = []
  for (const name of ['one', 'two', 'three']) {
    const before = new Map(acknowledged)
    const file = join(folder, name)
    const { code, stdout, stderr } = await lookaside(['backup', file, '--data', data, '--json'])
    assert.equal(code, 0, stderr)
    backups.push({ file, before, report: JSON.parse(stdout) })
  }
  over = true
  await Promise.all(uploading)
  assert.deepEqual(readdirSync(folder).sort(), ['data', 'one', 'three', 'two'])

  for (const { file, before, report } of backups) {
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.ok(before.size > 0 || file.endsWith('one'))
    const other = `${file}-restored`
    const { code, stdout, stderr } = await lookaside(['restore', file, '--data', other, '--json'])
    assert.equal(code, 0, stderr)
    const { epoch, kept, changes } = JSON.parse(stdout)
    assert.deepEqual([kept, changes], [null, report.head.seq])
    assert.notEqual(epoch, report.epoch)
    assert.ok(changes >= before.size)
    // If one were missing it would be one of the last.
    await assertServed(await start(other), new Map([...before].slice(-100)))
  }
})

test('a backup replaces no file', async () => {
  const { folder, data } = await running()
  const file = join(folder, 'there')
  writeFileSync(file, 'before')
  const { code, stderr } = await lookaside(['backup', file, '--data', data])
  assert.equal(code, 2)
  assert.match(stderr, /is there already/)
  assert.equal(statSync(file).size, 6)
})

test('restored over a newer tree, what came since is served again at its place; the database before is kept', async () => {
  const { folder, data, server, start, upload, acknowledged } = await running()
  const backup = join(folder, 'backup')
  for (let count = 0; count < 3; count++) await upload()
  assert.equal((await lookaside(['backup', backup, '--data', data])).code, 0)
  for (let count = 0; count < 4; count++) await upload()

  const refused = await lookaside(['restore', backup, '--data', data])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /A server or another command has .* open/)
  const feed = (of: ServerProcess) => ask(of, 'GET', '/api/v1/changes').then((answer) => answer.json())
  const before = await feed(server)
  assert.equal(await server.end('SIGTERM'), 0)

  const { code, stdout, stderr } = await lookaside(['restore', backup, '--data', data, '--json'])
  assert.equal(code, 0, stderr)
  const { kept, changes } = JSON.parse(stdout)
  assert.equal(changes, 3)
  const storage = openSqlite({ dataFolder: kept, create: false })
  assert.equal((await storage.head()).seq, 7)
  await storage.close()
  const again = await start()
  await assertServed(again, acknowledged)
  const after = await feed(again)
  assert.equal(after.head, 7)
  assert.notEqual(after.epoch, before.epoch)
  assert.ok(!existsSync(join(data, 'restore.new')))
})

/** A data folder with some signatures, and a backup of it. */
async function backedUp() {
  const folder = temporaryFolder()
  const data = join(folder, 'data')
  const source = join(folder, 'signatures')
  writeFileSync(source, newBlob({ digest: exampleDigest('a') }))
  await openSqlite({ dataFolder: data }).close()
  assert.equal((await lookaside(['import', source, '--data', data])).code, 0)
  const backup = join(folder, 'backup')
  assert.equal((await lookaside(['backup', backup, '--data', data])).code, 0)
  const contents = () => [
    readdirSync(data, { recursive: true })
      .map(String)
      .filter((name) => !/^locks|-(?:wal|shm)$/.test(name))
      .sort(),
    readFileSync(join(data, 'lookaside.db')),
  ]
  return { folder, data, backup, contents }
}

const alterations: [what: string, alter: (db: Database.Database) => void, says: RegExp][] = [
  ['of a newer lookaside', (db) => db.pragma('user_version = 9999'), /schema 9999, written by a newer/],
  [
    'of an altered log',
    (db) => db.exec("UPDATE signatures SET docker_reference = 'x'"),
    /is damaged in 1 places/,
  ],
  ['of which a slot was taken', (db) => db.exec('DELETE FROM slots'), /has no slot/],
  ['of another program', (db) => db.exec('DROP TABLE changes'), /is no database of lookaside/],
  [
    'of a log that was begun anew',
    (db) => db.exec('DROP TRIGGER changes_are_final; UPDATE changes SET actor = 1'),
    /its hash does not follow/i,
  ],
]
for (const [what, alter, says] of alterations)
  test(`a backup ${what} is refused, and the data folder stays as it is`, async () => {
    const { data, backup, contents } = await backedUp()
    const db = new Database(backup)
    db.pragma('foreign_keys = OFF')
    alter(db)
    db.close()
    const before = contents()
    const { code, stderr } = await lookaside(['restore', backup, '--data', data])
    assert.match(stderr, says)
    assert.equal(code, 1)
    assert.deepEqual(contents(), before)
  })

test('rubbish, and a backup that was cut off wherever, are refused', async () => {
  const { folder, data, backup, contents } = await backedUp()
  const before = contents()
  const whole = readFileSync(backup)
  const file = join(folder, 'other')
  const variants = [
    Buffer.alloc(0),
    Buffer.from('rubbish'.repeat(2000)),
    ...[100, 4096, whole.length >> 1, whole.length - 1].map((size) => whole.subarray(0, size)),
  ]
  for (const bytes of variants) {
    writeFileSync(file, bytes)
    const { code, stderr } = await lookaside(['restore', file, '--data', data])
    assert.equal(code, 1, `${bytes.length} of ${whole.length} bytes: ${stderr}`)
    assert.deepEqual(contents(), before)
  }
  for (const missing of [join(folder, 'missing'), data])
    assert.equal((await lookaside(['restore', missing, '--data', data])).code, 2)
})

test('a database that is damaged is not backed up, and is kept whole when a backup takes its place', async () => {
  const { folder, data, backup } = await backedUp()
  const file = join(data, 'lookaside.db')
  const damaged = readFileSync(file)
  damaged.fill(0xff, 2 * 4096, 6 * 4096)
  writeFileSync(file, damaged)
  const { code, stderr } = await lookaside(['backup', join(folder, 'second'), '--data', data])
  assert.equal(code, 1, stderr)
  assert.ok(!existsSync(join(folder, 'second')))
  writeFileSync(file, 'x'.repeat(5000))
  const { code: restored, stdout } = await lookaside(['restore', backup, '--data', data, '--json'])
  assert.equal(restored, 0)
  assert.equal(statSync(join(JSON.parse(stdout).kept, 'lookaside.db')).size, 5000)
  assert.equal((await lookaside(['fsck', '--data', data, '--repair'])).code, 0)
})

for (const [what, offset, value, told] of [
  ['of a newer SQLite', 18, 3, /lookaside\.db: attempt to write a readonly database/],
  ['of a format that SQLite does not know', 47, 5, /cannot be opened: unsupported file format/],
] as const)
  test(`a database that is said to be ${what} is told of, not backed up, and replaced by a backup`, async () => {
    const { folder, data, backup } = await backedUp()
    const file = join(data, 'lookaside.db')
    const altered = readFileSync(file).fill(value, offset, offset + 1)
    writeFileSync(file, altered)
    const checked = await lookaside(['fsck', '--data', data])
    assert.match(checked.stdout + checked.stderr, told)
    const made = await lookaside(['token', 'create', '--name', 'ci', '--allow', 'admin', '--data', data])
    assert.equal(made.code, 2)
    assert.match(made.stderr, /^lookaside: data-folder: .*docs\/recovery\.md/)
    const second = join(folder, 'second')
    assert.equal((await lookaside(['backup', second, '--data', data])).code, 1)
    assert.ok(!existsSync(second))
    writeFileSync(second, altered)
    assert.equal((await lookaside(['restore', second, '--data', data])).code, 1)
    assert.equal((await lookaside(['restore', backup, '--data', data])).code, 0)
    assert.equal((await lookaside(['fsck', '--data', data])).code, 0)
  })

test('the WAL of a damaged database is kept where a restore was interrupted', async () => {
  const { folder, data, backup } = await backedUp()
  const before = join(data, 'restore.new', 'before')
  mkdirSync(before, { recursive: true })
  linkSync(join(data, 'lookaside.db'), join(before, 'lookaside.db'))
  writeFileSync(join(before, 'lookaside.db-wal'), 'what was committed last')
  const rubbish = join(folder, 'rubbish')
  writeFileSync(rubbish, 'rubbish')
  assert.equal((await lookaside(['restore', rubbish, '--data', data])).code, 1)
  const [kept = '?'] = readdirSync(data).filter((name) => name.startsWith('before-restore-'))
  assert.deepEqual(readdirSync(join(data, kept)), ['lookaside.db-wal'])
  assert.equal(readFileSync(join(data, kept, 'lookaside.db-wal'), 'utf8'), 'what was committed last')
  assert.equal((await lookaside(['restore', backup, '--data', data])).code, 0)
})

test('a backup of the first schema is brought up to date as it is restored', async () => {
  const { folder, data, backup } = await backedUp()
  const old = join(folder, 'old')
  const db = new Database(old)
  db.exec(readFileSync(new URL('../../migrations/0001-initial.sql', import.meta.url), 'utf8'))
  db.exec(`ATTACH '${backup}' AS new`)
  for (const table of ['meta', 'places', 'locations', 'signatures', 'slots', 'changes', 'hosts']) {
    const columns = (db.pragma(`main.table_info(${table})`) as { name: string }[])
      .map(({ name }) => name)
      .join()
    db.exec(`INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM new.${table}`)
  }
  db.pragma('user_version = 1')
  db.close()
  const { code, stdout, stderr } = await lookaside(['restore', old, '--data', data, '--json'])
  assert.equal(code, 0, stderr)
  assert.deepEqual([JSON.parse(stdout).schema, JSON.parse(stdout).signatures], [1, 1])
  assert.equal((await lookaside(['fsck', '--data', data, '--repair'])).code, 0)
})
