import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { allKeys, describeKey, flags, isSection, variableOf } from '../../src/config/keys.ts'
import { loadConfig } from '../../src/config/load.ts'
import { referenceTexts } from '../../src/config/reference.ts'

const project = new URL('../../', import.meta.url)
const sources = { env: {}, flags: {}, workingDirectory: '/' }

function fileWith(t: TestContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'lookaside-reference-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'lookaside.yaml')
  writeFileSync(file, text)
  return file
}

test('the reference file and the documentation are what the schema says', () => {
  for (const [path, text] of Object.entries(referenceTexts())) {
    const hint = `${path} is out of date: node src/config/reference.ts --write`
    assert.equal(readFileSync(new URL(path, project), 'utf8'), text, hint)
  }
})

test('the reference file changes nothing, as it stands and with every default uncommented', (t) => {
  const text = referenceTexts()['config/lookaside.yaml'] ?? ''
  const defaults = loadConfig(sources)
  assert.deepEqual(loadConfig({ ...sources, file: fileWith(t, text) }), defaults)
  const uncommented = text.replaceAll(
    /^( *)#(?!cert|key|clientCa|publicUrl|registries|policy|upstream|ca:|host:)(?=\S)/gm,
    '$1',
  )
  assert.ok(uncommented.includes('\n  stallSeconds: 30\n'))
  assert.deepEqual(loadConfig({ ...sources, file: fileWith(t, uncommented) }), defaults)
})

test('every example of the reference file can be used', (t) => {
  const text = referenceTexts()['config/lookaside.yaml'] ?? ''
  const file = fileWith(t, text.replaceAll(/^( *)#(?=\S)/gm, '$1'))
  for (const name of [
    'server.crt',
    'server.key',
    'policy.json',
    'registry-ca.crt',
    'vendor.json',
    'clients-ca.crt',
  ])
    writeFileSync(join(file, '..', name), '')
  const { publicUrl, registries } = loadConfig({ ...sources, file })
  assert.equal(publicUrl, 'https://sigs.example.com')
  assert.equal(registries?.length, 2)
  const env = Object.fromEntries(
    allKeys()
      .filter(({ node }) => node.type === 'array')
      .map((key) => [variableOf(key), JSON.stringify(key.node.examples?.[0])]),
  )
  env.LOOKASIDE_TLS_CLIENT_CA = 'clients-ca.crt'
  const { digestViews, mirrors, publish } = loadConfig({ ...sources, env, workingDirectory: dirname(file) })
  assert.deepEqual([digestViews.length, mirrors.length, publish.length], [1, 1, 1])
})

test('every key is described, has a default or an example, and a variable of its own', () => {
  const keys = allKeys()
  assert.equal(new Set(keys.map(variableOf)).size, keys.length)
  for (const { name, node } of keys) {
    assert.match(describeKey(name), /\.$/, name)
    assert.ok(isSection(node) || node.default !== undefined || node.examples !== undefined, name)
  }
  for (const name of Object.keys(flags))
    assert.ok(
      keys.some((key) => key.name === name),
      name,
    )
})
