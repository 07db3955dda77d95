import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { Refusal } from '../../src/refusal.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { NewSignature, Storage } from '../../src/storage/storage.ts'
import { digest, home } from '../storage/contract.ts'
import { key, signatureOf, start } from '../storage/judged.ts'
import { type Outcome, run, workFolder } from './program.ts'

const program = fileURLToPath(new URL('../../docs/verify-log.py', import.meta.url))
const folder = workFolder()
const graceSeconds = 10
const why = { actor: 'token:1 ops', reason: 'published by mistake – “now” gone', graceSeconds }
const view = { kind: 'view', name: '', digest: digest('a') } as const
const sources = ['mirror:https://one.example', 'mirror:https://two.example']

let stores = 0
function newStore() {
  const dataFolder = join(folder, `data-${++stores}`)
  const time = { seconds: start }
  const storage = openSqlite({ dataFolder, clock: () => time.seconds * 1000 })
  return { storage, time, database: join(dataFolder, 'lookaside.db') }
}

const verify = (database: string, ...kept: string[]): Promise<Outcome> =>
  run('python3', [program, database, ...kept])

/** What the program says of a copy of the database that was altered by whoever can write it. */
async function verifyAltered(database: string, sql: string, ...kept: string[]): Promise<Outcome> {
  const altered = `${database}-altered-${++stores}`
  copyFileSync(database, altered)
  const db = new Database(altered)
  db.pragma('foreign_keys = off')
  db.exec(`DROP TRIGGER changes_are_final; DROP TRIGGER changes_are_kept; ${sql}`)
  db.close()
  return verify(altered, ...kept)
}

/** A signature that supersedes, and is superseded by, others of the same `of`. */
function signature(of: number, letter: 'A' | 'B', created: number): NewSignature {
  const place = home(of % 2 ? 'team/app' : 'other/app')
  const dockerReference = `registry.example.com/${place.name}:${of >> 1}`
  return signatureOf(letter, { home: place, dockerReference, created, views: [view] })
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      of: fc.nat(5),
      letter: fc.constantFrom('A' as const, 'B' as const),
      age: fc.nat(5),
      source: fc.constantFrom(...sources, null, null),
      isSpoilt: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('again' as const, 'withdraw' as const, 'reinstate' as const, 'retract' as const),
      which: fc.nat(30),
      source: fc.constantFrom(...sources),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(1, 2, graceSeconds) }),
  },
)

const unlessRefused = (error: unknown) => {
  if (!(error instanceof Refusal)) throw error
}

async function take(storage: Storage, signature: NewSignature, source: string | null): Promise<void> {
  await storage
    .append({ ...signature, ...(source !== null && { source: { name: source, round: 1 } }) })
    .catch(unlessRefused)
}

test('whatever has come and gone, the log is found to be sound', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 80, size: 'max' }), async (steps) => {
      const { storage, time, database } = newStore()
      await storage.setKeyring([key('A'), key('B')])
      await storage.configureViews([{ base: '', repositories: ['**'] }])
      const all: NewSignature[] = []
      for (const each of steps) {
        if (each.do === 'wait') {
          time.seconds += each.seconds
          while (!(await storage.endGrace(10, graceSeconds)));
          continue
        }
        time.seconds += 1
        if (each.do === 'append') {
          const { of, letter, age, source, isSpoilt } = each
          const made = signature(of, letter, time.seconds - age)
          all.push(made)
          if (isSpoilt) {
            const { identity, home } = made
            const spoilt = signatureOf(letter, { identity, home, views: [view], result: 'bad' })
            await take(storage, { ...spoilt, dockerReference: made.dockerReference }, source)
            time.seconds += 1
          }
          await take(storage, made, source)
          continue
        }
        const known = all[each.which]
        if (!known) continue
        const { home, identity } = known
        const stored = (await storage.added(0, 500)).filter((each) => each.identity === identity)
        // Of a signature and its spoilt copy, either may be named.
        const one = stored[each.which % (stored.length || 1)]
        if (each.do === 'again') await take(storage, known, each.source)
        else if (each.do === 'retract')
          await storage.retract(each.source, [{ repository: home.name, digest: home.digest, identity }], why)
        else if (each.do === 'withdraw') await storage.withdraw(one ? [one.id] : [], why)
        else if (one && (await storage.withdrawn(one.id)))
          await storage.append({ ...known, reinstate: { reason: 'it was right' } }).catch(unlessRefused)
      }
      const { seq, hash } = await storage.head()
      const beside = await verify(database)
      assert.deepEqual(await storage.integrity(), [])
      await storage.close()
      assert.deepEqual([beside.stdout, beside.code], [`${seq} ${hash}\n`, 0], beside.stderr)
    }),
    { numRuns: 20 },
  )
})

suite('a database that somebody has altered', async () => {
  const { storage, time, database } = newStore()
  await storage.configureViews([{ base: '', repositories: ['**'] }])
  for (let of = 0; of < 8; of++) await storage.append(signature(of | 1, 'A', start))
  const kept = await storage.head()
  time.seconds += 1
  await storage.withdraw([1, 2], why)
  await storage.append({
    ...signature(1, 'B', start),
    home: home('team/mirrored'),
    source: { name: sources[0] as string, round: 1 },
  })
  const head = await storage.head()
  await storage.close()
  const line = `${kept.seq} ${kept.hash}`

  test('is sound before', async () => {
    const { stdout, code } = await verify(database, line)
    assert.deepEqual([stdout, code], [`${head.seq} ${head.hash}\n`, 0])
    assert.match((await verify(database, `${kept.seq} ${head.hash}`)).stdout, /the log does not hold/)
  })

  const home1 = `(SELECT l.id FROM locations l JOIN places p ON p.id = l.place WHERE p.name = 'team/app')`
  for (const [what, sql, found] of [
    ['a reason in the log', "UPDATE changes SET reason = 'rotated' WHERE seq = 9", /change 9: not its hash/],
    ['who it was', "UPDATE changes SET actor = 'token:2 ci' WHERE seq = 3", /change 3: not its hash/],
    ['a blob', "UPDATE signatures SET blob = x'00' WHERE id = 3", /signature 3: not its bytes/],
    ['a row of the log is gone', 'DELETE FROM changes WHERE seq = 5', /change 6 follows change 4/],
    ['the end of the log is gone', 'DELETE FROM changes WHERE seq > 7', /the log does not hold/],
    [
      'a withdrawal is forgotten',
      'DELETE FROM withdrawals',
      /was withdrawn by change 9, and withdrawals says None/,
    ],
    [
      'something is kept out that was not withdrawn',
      'INSERT INTO withdrawals SELECT place, identity, 3 FROM signatures WHERE id = 3',
      /was withdrawn by change None, and withdrawals says 3/,
    ],
    [
      'a withdrawn signature is served again',
      `UPDATE slots SET signature = 1 WHERE slot = 1 AND location = ${home1}`,
      /slot 1 has signature 1, which is not there by the log/,
    ],
    [
      'it is behind the others',
      `INSERT INTO slots SELECT ${home1}, 9, 2, ${start}, NULL`,
      /slot 9 has signature 2, which is not there/,
    ],
    [
      'it is in a view alone',
      `UPDATE slots SET signature = 2 WHERE slot = 5 AND location <> ${home1}`,
      /\(top\) sha256:a+: slot 5 has signature 2, which is not there/,
    ],
    ['one is hidden', `DELETE FROM slots WHERE slot = 3 AND location = ${home1}`, /team\/app .*: a hole/],
    [
      'one has gone without a trace',
      `DELETE FROM slots WHERE signature = (SELECT max(id) FROM signatures)`,
      /signature 11 is there by the log, and has no slot/,
    ],
    [
      'a copy for readers under way is something else',
      `UPDATE slots SET signature = 11 WHERE leaves IS NOT NULL AND location = ${home1}`,
      /is no copy of another one/,
    ],
    [
      'a signature is at another place',
      `UPDATE slots SET signature = 11 WHERE slot = 3 AND location = ${home1}`,
      /slot 3 has signature 11, which is not there/,
    ],
  ] as const)
    test(what, async () => {
      const { stdout, code, stderr } = await verifyAltered(database, sql, line)
      assert.match(stdout, found, stderr)
      assert.equal(code, 1)
    })
})
