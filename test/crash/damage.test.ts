import assert from 'node:assert/strict'
import {
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../temporary.ts'
import { flip, makeTemplate, type Outcome, outcomeOf, pagesOf } from './damaged-database.ts'

/** `FLIPS=10` for ten pages of each kind; they are chosen at random. */
const flips = Number(process.env.FLIPS ?? 1)

const template = await makeTemplate(join(temporaryFolder(), 'template'))
const copies = temporaryFolder()
const database = (data: string) => join(data, 'lookaside.db')
const all = template.slots.size
let copied = 0

/** Whatever was damaged: never other bytes, and nothing that is missing without a word. */
async function outcome(
  what: string,
  damage: (data: string) => void,
  options?: { running: boolean },
): Promise<Outcome> {
  const copy = join(copies, String(++copied))
  const found = await outcomeOf(template, copy, damage, options)
  rmSync(copy, { recursive: true, force: true })
  const { refused, wrong, missing } = found
  if (refused) {
    assert.equal(refused.code, 'data-folder', what)
    assert.match(refused.message, /lookaside\.db/, what)
  }
  assert.equal(wrong, 0, `${what}: other bytes are served`)
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
        const page = numbers[Math.floor(Math.random() * numbers.length)] as number
        const altered = (data: string) => flip(database(data), page, bytes, kind === 'header')
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

const unusable: [what: string, damage: (file: string) => void][] = [
  ['cut in half', (file) => truncateSync(file, statSync(file).size >> 1)],
  ['cut within a page', (file) => truncateSync(file, statSync(file).size - 1000)],
  ['cut to its first page', (file) => truncateSync(file, 4096)],
  ['a text file', (file) => writeFileSync(file, 'nothing\n'.repeat(1000))],
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

/** Beside the database, as a process leaves it that is killed. */
const walOf = (data: string) => `${database(data)}-wal`

test('a WAL of another database changes nothing', async () => {
  const other = await makeTemplate(join(temporaryFolder(), 'other'))
  const wal = join(temporaryFolder(), 'wal')
  const { default: Database } = await import('better-sqlite3')
  const db = new Database(database(other.folder))
  db.pragma('wal_autocheckpoint = 0')
  db.exec("UPDATE meta SET value = 'x' WHERE key = 'epoch'")
  copyFileSync(walOf(other.folder), wal)
  db.close()
  const { refused, right, missing, damage } = await outcome('a WAL of another', (data) =>
    copyFileSync(wal, walOf(data)),
  )
  console.log(refused, right, missing, damage)
})

test('a database that is replaced under a running server', async () => {
  const other = await makeTemplate(join(temporaryFolder(), 'other'))
  const o = await outcome(
    'replaced',
    (data) => {
      copyFileSync(database(other.folder), `${database(data)}.new`)
      renameSync(`${database(data)}.new`, database(data))
    },
    { running: true },
  )
  console.log(o)
})
