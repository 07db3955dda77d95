import assert from 'node:assert/strict'
import {
  copyFileSync,
  cpSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { randomFrom } from '../random.ts'
import { ask, testServer } from '../server.ts'
import { temporaryFolder } from '../temporary.ts'
import { flip, makeTemplate, type Outcome, outcomeOf, pagesOf } from './damaged-database.ts'
import { sha256 } from './ledger.ts'

/** `FLIPS=10` for ten pages of each kind, `SEED=7` for others. */
const flips = Number(process.env.FLIPS ?? 1)
const random = randomFrom(Number(process.env.SEED ?? 20_260_101))

const template = await makeTemplate(join(temporaryFolder(), 'template'))
const copies = temporaryFolder()
const database = (data: string) => join(data, 'lookaside.db')
const all = template.slots.size
let copied = 0

/** Whatever was damaged: never other bytes, and nothing that is missing without a word. */
async function outcome(
  what: string,
  damage: (data: string) => void,
  options?: { running?: boolean; wasKilled?: boolean },
): Promise<Outcome> {
  const copy = join(copies, String(++copied))
  const found = await outcomeOf(template, copy, damage, options)
  rmSync(copy, { recursive: true, force: true })
  const { refused, wrong, missing, gone } = found
  if (refused) {
    assert.equal(refused.code, 'data-folder', what)
    assert.match(refused.message, /lookaside\.db/, what)
  }
  assert.equal(wrong, 0, `${what}: other bytes are served`)
  assert.equal(gone, 0, `${what}: the tree, from which all can come back, has less than before`)
  if (missing) assert.ok(found.damage === null || found.damage.length, `${what}: ${missing} are missing`)
  return found
}

const pages = pagesOf(database(template.folder))

test(`altered pages of each kind, ${flips} of each: no wrong byte is served, and what is missing is told`, async (t) => {
  const kinds = ['header', 'schema', 'table leaf', 'table internal', 'index leaf', 'index internal', 'free']
  const pagesOfKind = (kind: string) =>
    [...pages].filter(([name]) => name.startsWith(kind)).flatMap(([, numbers]) => numbers)
  for (const kind of kinds) {
    const numbers = pagesOfKind(kind)
    assert.ok(numbers.length, kind)
    const tally = { refused: 0, missing: 0, found: 0, harmless: 0 }
    for (let index = 0; index < flips; index++)
      for (const bytes of [1, 30]) {
        const page = random.pick(numbers)
        const altered = (data: string) =>
          flip(database(data), random, { page, bytes, onlyHeader: kind === 'header' })
        const { refused, missing, damage } = await outcome(`${bytes} bytes of page ${page}, ${kind}`, altered)
        if (refused) tally.refused++
        else if (missing) tally.missing++
        else if (damage === null || damage.length) tally.found++
        else tally.harmless++
      }
    t.diagnostic(`${kind}: ${JSON.stringify(tally)}`)
  }
})

test('a signature whose bytes were altered is not served, and the tree keeps the right ones', async () => {
  const { refused, right, missing, damage } = await outcome('a blob', (data) => {
    const bytes = readFileSync(database(data))
    // A claim names its digest, and nothing but a blob has it in this form.
    const at = bytes.indexOf(`"docker-manifest-digest":"sha256:${'0'.repeat(63)}5`)
    assert.ok(at > 0)
    bytes[at + 3] = 0x58
    writeFileSync(database(data), bytes)
  })
  assert.equal(refused, null)
  // All of that digest fails, as clients would refuse it anyhow.
  assert.ok(missing > 0 && right === all - missing)
  assert.match(String(damage?.[0]), /do not have the SHA-256/)
  assert.ok(damage?.every((line) => line.startsWith('signature ')))
})

function executes(statements: string) {
  return (file: string) => {
    const db = new Database(file)
    db.exec(statements)
    db.close()
  }
}

const unusable: [what: string, damage: (file: string) => void][] = [
  ['cut in half', (file) => truncateSync(file, statSync(file).size >> 1)],
  ['cut within a page', (file) => truncateSync(file, (statSync(file).size >> 1) - 1000)],
  ['cut to its first page', (file) => truncateSync(file, 4096)],
  ['a text file', (file) => writeFileSync(file, 'nothing\n'.repeat(1000))],
  ['said to be of a newer SQLite', (file) => writeFileSync(file, readFileSync(file).fill(3, 18, 19))],
  ['without its log', executes('DROP TRIGGER changes_are_kept; DELETE FROM changes')],
  ['without its list of views', executes("DELETE FROM meta WHERE key = 'views'")],
  ['zeros', (file) => writeFileSync(file, Buffer.alloc(100_000))],
]
for (const [what, damage] of unusable)
  test(`a database that is ${what} is refused, or what it lacks is told`, async (t) => {
    const { refused, missing } = await outcome(what, (data) => damage(database(data)))
    assert.ok(refused || missing)
    if (refused) assert.match(refused.message, /docs\/recovery\.md/)
    t.diagnostic(refused ? 'refused' : `${missing} of ${all} answered with an error`)
  })

for (const what of ['deleted', 'empty'])
  test(`where the database is ${what}, all comes back from the tree`, async () => {
    const { refused, right } = await outcome(what, (data) => {
      if (what === 'deleted') rmSync(database(data))
      else writeFileSync(database(data), '')
    })
    assert.deepEqual([refused, right], [null, all])
  })

const beside = (ending: string) => (data: string) => `${database(data)}${ending}`
const walOf = beside('-wal')

const ofKilled: [what: string, damage: (data: string) => void][] = [
  ['as it was', () => {}],
  ['its WAL is deleted', (data) => rmSync(walOf(data))],
  ['its WAL is cut in half', (data) => truncateSync(walOf(data), statSync(walOf(data)).size >> 1)],
  ['its WAL is cut within its header', (data) => truncateSync(walOf(data), 20)],
  ['its WAL is altered', (data) => flip(walOf(data), random, { page: 40, bytes: 20 })],
  ['its WAL is text', (data) => writeFileSync(walOf(data), 'nothing\n'.repeat(5000))],
  ['its -shm is deleted', (data) => rmSync(beside('-shm')(data))],
  ['its -shm is text', (data) => writeFileSync(beside('-shm')(data), 'nothing\n'.repeat(5000))],
]
for (const [what, damage] of ofKilled)
  test(`of a server that was killed, all is there again: ${what}`, async () => {
    const { refused, right, upload, damage: found } = await outcome(what, damage, { wasKilled: true })
    assert.deepEqual([refused, right, found], [null, all, []])
    // Tokens are in the database alone.
    assert.ok(upload === 201 || upload === 401)
  })

test('with the WAL of another database it is that one, which takes in what the tree has', async () => {
  const other = await makeTemplate(join(temporaryFolder(), 'other'))
  const data = join(copies, 'with-another-wal')
  cpSync(template.folder, data, { recursive: true })
  copyFileSync(walOf(other.killed), walOf(data))
  const server = await testServer({ data })
  const blobs = new Set<string>()
  for (let number = 0; number < 12; number++)
    for (let slot = 1; ; slot++) {
      const path = `/signatures/team/app@sha256=${String(number).padStart(64, '0')}/signature-${slot}`
      const { status, body } = await ask(server, 'GET', path)
      if (status !== 200) break
      blobs.add(sha256(body))
    }
  await server.close()
  assert.ok(blobs.isSupersetOf(new Set(template.slots.values())))
})

for (const ending of ['', '-wal', '-shm'])
  for (const [how, damage] of [
    ['removed', (file: string) => rmSync(file)],
    ['replaced', replace],
  ] as const)
    test(`lookaside.db${ending} ${how} under a running server: what is there is served, and nothing taken that would be lost`, async () => {
      const { refused, right, upload } = await outcome(
        `${ending} ${how}`,
        (data) => damage(beside(ending)(data)),
        { running: true },
      )
      assert.deepEqual([refused, right, upload], [null, all, 500])
    })

function replace(file: string): void {
  copyFileSync(file, `${file}.new`)
  renameSync(`${file}.new`, file)
}
