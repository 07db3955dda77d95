import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Config } from '../../src/config/config.ts'
import { testServer } from '../server.ts'
import { temporaryFolder } from '../temporary.ts'

const folder = temporaryFolder()
const https = 'https://localhost:1'
const issuer = { issuer: https, audience: https, algorithms: [], maxLifetimeSeconds: 60, rules: [] }

for (const [what, configOf] of Object.entries<(ca: string) => Partial<Config>>({
  'the registry': (ca) => ({ registry: { upstream: https, delegate: false, anonymous: false, ca } }),
  'an issuer': (ca) => ({ oidc: [{ ...issuer, ca }] }),
}))
  test(`a start names the CA file of ${what} that holds no certificate, or is not there`, async () => {
    const ca = join(folder, 'ca.crt')
    writeFileSync(ca, 'garbage')
    const message = `${ca} holds no certificate in PEM`
    await assert.rejects(testServer(configOf(ca)), { code: 'configuration', message })
    const missing = join(folder, 'missing.crt')
    await assert.rejects(testServer(configOf(missing)), ({ code, message }) => {
      assert.equal(code, 'configuration')
      assert.ok(message.includes(missing), message)
      return true
    })
  })
