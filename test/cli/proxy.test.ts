import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { exampleDigest } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'
import { lookaside } from './run.ts'

const folder = temporaryFolder()
const file = (name: string, content: unknown) => {
  const path = join(folder, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const image = `registry.example.com/team/app@${exampleDigest()}`
const sigs = 'https://sigs.example.com'
const policy = file('policy.json', { default: [{ type: 'insecureAcceptAnything' }] })
const data = join(folder, 'data')
const config = file('lookaside.yaml', {
  data,
  listen: '127.0.0.1:0',
  tls: { mode: 'off' },
  workers: 1,
  oidc: [{ issuer: sigs, audience: 'x', rules: [{ claims: { project_id: '1' }, allow: ['push:**'] }] }],
})
const signed = join(folder, 'signed')
const signer = `touch ${signed}; exit 1`

const commands: Record<string, string[]> = {
  'to a server': ['list', 'team/app'],
  'to a server, once signed': ['sign', image, '--signer-command', signer, '--push'],
  'to a registry': ['verify', image, '--policy', policy, '--from-registry', '--tree', folder],
  'to a source': ['mirror', '--from', `${sigs}/signatures`, '--policy', policy, '--data', data],
  'to an issuer': ['serve', '--config', config],
}

for (const [where, args] of Object.entries(commands))
  test(`a proxy on the way ${where} that is named by no URL is refused, and not passed over`, async () => {
    const token = `lks_${'0'.repeat(8)}_${'a'.repeat(43)}`
    const env = { LOOKASIDE_SERVER: sigs, LOOKASIDE_TOKEN: token, HTTPS_PROXY: 'user:secret@host:3128' }
    const { code, stderr } = await lookaside(args, { env, cwd: folder })
    assert.equal(code, 2, stderr)
    assert.match(stderr, /configuration: HTTPS_PROXY must be a URL, such as http:\/\/host:3128$/m)
    assert.doesNotMatch(stderr, /secret/)
    // Nobody has been asked for a passphrase.
    assert.equal(existsSync(signed), false)
  })
