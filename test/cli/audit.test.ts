import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseToken } from '../../src/access/token.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { lookaside } from './run.ts'

test('audit tells who made tokens and what was imported, and shows nothing that a terminal would act on', async () => {
  const folder = temporaryFolder()
  const data = join(folder, 'data')
  const run = (...args: string[]) => lookaside([...args, '--data', data])
  const created = await run('token', 'create', '--name', 'ci', '--allow', 'push:team/**', '--json')
  const { id, token } = JSON.parse(created.stdout)
  assert.equal((await run('token', 'revoke', id)).code, 0)
  writeFileSync(join(folder, 'good'), newBlob())
  writeFileSync(join(folder, 'bad'), 'junk')
  assert.equal((await run('import', join(folder, 'good'))).code, 0)
  assert.equal((await run('import', join(folder, 'bad'))).code, 1)
  const storage = openSqlite({ dataFolder: data })
  const origin = { door: 'POST', address: '192.0.2.1', request: null } as const
  const detail = '\u001b[2J\r\n\u202e'
  await storage.record([{ event: 'refused', actor: null, origin, code: 'claim-json', detail }])
  await storage.close()

  const all = await run('audit')
  assert.deepEqual([all.code, all.stderr], [0, ''])
  const lines = all.stdout.trimEnd().split('\n')
  const events = lines.map((line) => line.split('  ')[1])
  assert.deepEqual(events, [
    'token-created',
    'token-revoked',
    'uploaded',
    'imported',
    'refused',
    'imported',
    'refused',
  ])
  assert.match(lines[0] ?? '', new RegExp(`  user:\\S+  command line  ${id} ci: push:team/\\*\\*$`))
  assert.match(lines[4] ?? '', / {2}not-openpgp: bad: /)
  assert.ok(lines[6]?.endsWith('  claim-json: \\u{1b}[2J\\u{d}\\u{a}\\u{202e}'))
  assert.ok(!all.stdout.includes(parseToken(token)?.secret as string))

  const one = await run('audit', '--code', 'claim-json', '--newest', '--limit', '1', '--json')
  const [record] = one.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual([record.event, record.address, record.detail], ['refused', '192.0.2.1', detail])
  const none = await run('audit', '--from', '2100-01-01')
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', 'There is no such record.\n'])
  assert.equal((await run('audit', '--from', 'yesterday')).code, 2)
})
