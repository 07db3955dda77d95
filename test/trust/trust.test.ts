import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadOperatorTrust } from '../../src/trust/operator.ts'
import { fixture } from '../openpgp/fixture.ts'
import { temporaryFolder } from '../temporary.ts'

const folder = temporaryFolder()

function policyWith(name: string, keyPath: string): string {
  const file = join(folder, `${name}.json`)
  const requirement = { type: 'signedBy', keyType: 'GPGKeys', keyPath }
  writeFileSync(file, JSON.stringify({ default: [requirement] }))
  return file
}

const keys = join(folder, 'keys.gpg')
writeFileSync(keys, fixture('keyrings/rsa2048.gpg'))
const rules = { thresholds: [], maxAge: null, index: 'ignored' as const }

test('what is no regular file is no keyring and no policy: nobody waits for a pipe', async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const path of [pipe, '/dev/zero', folder]) {
    await assert.rejects(loadOperatorTrust({ policy: policyWith('odd', path), gates: {} }), {
      code: 'keyring',
    })
    await assert.rejects(loadOperatorTrust({ policy: path, gates: {} }), { code: 'policy' })
  }
})

test('the keys of all policies and gates are one keyring, in which a revocation counts wherever it stands', async () => {
  const revoked = join(folder, 'revoked.gpg')
  const before = join(folder, 'before.gpg')
  writeFileSync(before, fixture('keyrings/revoked-0-before.gpg'))
  writeFileSync(revoked, fixture('keyrings/revoked-0.gpg'))
  const { keyring, uploads, gates } = await loadOperatorTrust({
    policy: policyWith('uploads', before),
    gates: {
      other: { ...rules, policy: policyWith('other', revoked) },
      third: { ...rules, policy: policyWith('third', keys) },
    },
  })
  assert.equal(keyring.certificates.length, 2)
  assert.equal(uploads?.policy.default.length, 1)
  assert.deepEqual([...gates.keys()], ['other', 'third'])
  const states = keyring.certificates.map(({ keys: [primary] }) => primary?.timeline.at(-1)?.state)
  assert.ok(states.includes('revoked'))
})
