import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspectRegistriesD } from '../../src/cli/registries-d.ts'
import { Refusal } from '../../src/refusal.ts'
import { temporaryFolder } from '../temporary.ts'

const root = temporaryFolder()
const entry = {
  fileName: 'lookaside-registry.example.com.yaml',
  namespace: 'registry.example.com',
  lookaside: 'https://sigs.example.com/signatures',
  staging: null,
}

function folder(files: Record<string, string | Uint8Array>): string {
  const made = mkdtempSync(join(root, 'registries.d-'))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(made, name), content)
  return made
}

const inspect = (files: Record<string, string | Uint8Array>) => inspectRegistriesD(folder(files), entry)
const section = (name: string, lookaside = 'https://other.example.com') =>
  `docker:\n  ${name}:\n    lookaside: ${lookaside}\n`

test('a folder of other registries has nothing against the entry', async () => {
  const files = {
    'a.yaml': section('quay.io'),
    'b.yaml': section('registry.example.com:5000'),
    'c.yaml': section('"*.example.com"'),
    'd.yaml': section('registry.example.community/team'),
    'e.yaml': '# nothing\n',
    'f.yaml': '',
    'g.yml': 'not: [read',
    README: '{',
  }
  assert.deepEqual(await inspect(files), { clashes: [], notes: [], presentIn: null })
})

test('another file that names the registry is a clash, whatever it says of it', async () => {
  for (const content of [
    section('registry.example.com'),
    section('"registry.example.com"'),
    'docker: {registry.example.com: }',
    'docker:\n  registry.example.com:\n    use-sigstore-attachments: true\n',
    'x: &x\n  lookaside: y\ndocker:\n  registry.example.com:\n    <<: *x\n',
  ]) {
    const { clashes, presentIn } = await inspect({ 'site.yaml': content })
    assert.equal(presentIn, null)
    assert.match(
      clashes.join('\n'),
      /^registry\.example\.com is in site\.yaml: .* every pull fails; set its lookaside there$/,
    )
  }
})

test('an earlier file of the same name is replaced, so it is no clash', async () => {
  const files = { [entry.fileName]: section('registry.example.com', 'https://old.example.com') }
  assert.deepEqual(await inspect(files), { clashes: [], notes: [], presentIn: null })
})

test('where another file has this very entry, it is told which; with both it is a clash', async () => {
  const same = section('registry.example.com', entry.lookaside)
  assert.deepEqual(await inspect({ 'site.yaml': same }), { clashes: [], notes: [], presentIn: 'site.yaml' })
  const { clashes, presentIn } = await inspect({ 'site.yaml': same, [entry.fileName]: same })
  assert.deepEqual([clashes.length, presentIn], [1, null])
  const signing = { ...entry, staging: 'file:///srv/staging' }
  const ofClients = await inspectRegistriesD(folder({ 'site.yaml': same }), signing)
  assert.match(ofClients.clashes.join(), /set its lookaside and lookaside-staging there$/)
  const whole = `${same}    lookaside-staging: ${signing.staging}\n`
  assert.equal((await inspectRegistriesD(folder({ 'site.yaml': whole }), signing)).presentIn, 'site.yaml')
})

test('clashes that are there already are told: they fail every pull', async () => {
  const fallback = 'default-docker:\n  lookaside: https://x.example.com\n'
  const defaults = await inspect({ 'a.yaml': fallback, 'b.yaml': fallback })
  assert.deepEqual(defaults.clashes, ['default-docker is in a.yaml and in b.yaml: every pull fails'])
  const twice = await inspect({
    'a.yaml': section('quay.io/team'),
    'b.yaml': section('quay.io/team'),
    'c.yaml': section('quay.io/team'),
  })
  assert.deepEqual(twice.clashes, ['quay.io/team is in a.yaml and in b.yaml and in c.yaml: every pull fails'])
})

test('a default-docker that says nothing is none', async () => {
  const { clashes } = await inspect({
    'a.yaml': 'default-docker:\n',
    'b.yaml': 'default-docker:\n  lookaside: file:///x\n',
  })
  assert.deepEqual(clashes, [])
})

test('what clients cannot read is a clash, and named', async () => {
  const unreadable: Record<string, string | Uint8Array> = {
    list: '- a\n',
    text: 'hello\n',
    'docker is a list': 'docker: [a]\n',
    'a namespace is text': 'docker:\n  a.com: x\n',
    'a namespace is a list': 'docker:\n  a.com: []\n',
    'a lookaside is a mapping': 'docker:\n  a.com:\n    lookaside: {a: b}\n',
    'a staging is a list': 'docker:\n  a.com:\n    lookaside-staging: [b]\n',
    'a switch is a word': 'docker:\n  a.com:\n    use-sigstore-attachments: maybe\n',
    'a switch is quoted': 'docker:\n  a.com:\n    use-sigstore-attachments: "true"\n',
    'a namespace twice': 'docker:\n  a.com:\n    lookaside: x\n  a.com:\n    lookaside: x\n',
    tab: 'docker:\n\ta.com:\n',
    star: 'docker:\n  *.example.com:\n    lookaside: x\n',
    unclosed: 'docker: {\n',
    'no such anchor': 'docker:\n  a.com: *x\n',
    'a list as a key': 'docker:\n  ? [a]\n  : {lookaside: x}\n',
    'control characters': 'docker:\n  a.com:\n    lookaside: "x\x01"\n',
    'another encoding': Buffer.from('docker:\n  a.com:\n    lookaside: \xff\n', 'latin1'),
    'a bomb': `a: &a [${'x,'.repeat(50)}]\nb: &b [${'*a,'.repeat(50)}]\nc: &c [${'*b,'.repeat(50)}]\ndocker: {a.com: {lookaside: *c}}\n`,
  }
  for (const [name, content] of Object.entries(unreadable)) {
    const { clashes } = await inspect({ 'bad.yaml': content })
    assert.equal(clashes.length, 1, name)
    assert.match(clashes[0] ?? '', /^bad\.yaml cannot be understood \(.*\): every pull fails$/, name)
  }
})

test('a folder and a link that leads nowhere are unreadable files, and hidden files are read', async () => {
  const made = folder({ '.hidden.yaml': section('registry.example.com') })
  mkdirSync(join(made, 'folder.yaml'))
  symlinkSync('/nowhere/at/all', join(made, 'link.yaml'))
  const { clashes } = await inspectRegistriesD(made, entry)
  assert.deepEqual(
    clashes.map((text) => text.split(' ')[0]),
    ['folder.yaml', 'link.yaml', 'registry.example.com'],
  )
})

test('what clients do read is no clash', async () => {
  const readable = {
    'keys of later releases': 'foo: 1\ndocker:\n  a.com:\n    foo: [1]\n    lookaside: x\n',
    'a number as text': 'docker:\n  a.com:\n    lookaside: 5\n',
    nothing: 'docker:\n',
    null: '~\n',
    'a second document': 'docker:\n  a.com:\n    lookaside: x\n---\n[\n',
    'a byte order mark': '\ufeffdocker:\n  a.com:\n    lookaside: x\n',
    'other line ends': 'docker:\r\n  a.com:\r\n    lookaside: x\r\n',
    'a switch': 'docker:\n  a.com:\n    use-sigstore-attachments: yes\n',
  }
  for (const [name, content] of Object.entries(readable))
    assert.deepEqual((await inspect({ 'a.yaml': content })).clashes, [], name)
})

test('what reads or stages elsewhere is mentioned', async () => {
  const { clashes, notes } = await inspect({
    'a.yaml': section('registry.example.com/team/app'),
    'b.yaml': 'docker:\n  registry.example.com/old:\n    sigstore: file:///old\n',
    'c.yaml': 'docker:\n  registry.example.com/attached:\n    use-sigstore-attachments: true\n',
    'd.yaml': section('registry.example.com/same', entry.lookaside),
    'default.yaml':
      'default-docker:\n  lookaside: https://all.example.com\n  lookaside-staging: file:///var/lib/containers/sigstore\n',
  })
  assert.deepEqual(clashes, [])
  assert.equal(notes.length, 4)
  assert.match(notes[0] ?? '', /^default\.yaml: default-docker reads from https:\/\/all\.example\.com; /)
  assert.match(notes[1] ?? '', /^default\.yaml: default-docker stages in file:.*signers need --staging$/)
  assert.match(
    notes[2] ?? '',
    /^a\.yaml: registry\.example\.com\/team\/app is read from https:\/\/other\.example\.com and not/,
  )
  assert.match(notes[3] ?? '', /^b\.yaml: registry\.example\.com\/old is read from file:\/\/\/old and not/)
})

test('a folder that is not there is wrong usage', async () => {
  await assert.rejects(inspectRegistriesD(join(root, 'missing'), entry), (error) => {
    return error instanceof Refusal && error.code === 'configuration'
  })
})
