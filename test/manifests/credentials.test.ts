import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { findCredentials } from '../../src/manifests/credentials.ts'
import { temporaryFolder } from '../temporary.ts'
import { refusal } from './refusals.ts'

const folder = temporaryFolder()
let homes = 0

interface Home {
  env: Record<string, string>
  write(file: string, content: unknown): string
  find(repository: string, authFile?: string): Promise<string | null>
}

/** A user of whom nothing is known yet. Credentials are shown as `user:password`, with `+token` where there is one. */
function newHome(): Home {
  const home = join(folder, `home-${++homes}`)
  const env = { HOME: home, XDG_RUNTIME_DIR: join(home, 'run'), PATH: `${home}/bin:${process.env.PATH}` }
  return {
    env,
    write(file, content) {
      const path = join(home, file)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
      chmodSync(path, 0o700)
      return path
    },
    async find(repository, authFile) {
      const found = await findCredentials(repository, { env, authFile: authFile ?? null })
      return found && `${found.username}:${found.password}${found.identityToken && `+${found.identityToken}`}`
    },
  }
}

const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') })
const auths = (entries: Record<string, string>) => ({
  auths: Object.fromEntries(Object.entries(entries).map(([key, text]) => [key, auth(text)])),
})

const runtime = 'run/containers/auth.json'
const config = '.config/containers/auth.json'
const docker = '.docker/config.json'

test('the first file that has credentials counts', async () => {
  const { write, find, env } = newHome()
  assert.equal(await find('quay.io/team/app'), null)
  write(docker, auths({ 'quay.io': 'docker:3' }))
  assert.equal(await find('quay.io/team/app'), 'docker:3')
  write(config, auths({ 'quay.io': 'config:2' }))
  assert.equal(await find('quay.io/team/app'), 'config:2')
  write(runtime, auths({ 'other.io': 'other:1' }))
  assert.equal(await find('quay.io/team/app'), 'config:2')
  write(runtime, auths({ 'quay.io': 'runtime:1' }))
  assert.equal(await find('quay.io/team/app'), 'runtime:1')
  env.REGISTRY_AUTH_FILE = write('named.json', auths({ 'quay.io': 'named:0' }))
  assert.equal(await find('quay.io/team/app'), 'named:0')
  assert.equal(
    await find('quay.io/team/app', write('option.json', auths({ 'quay.io': 'option:0' }))),
    'option:0',
  )
})

test('a file that is named is the only one, and must be there', async () => {
  const { write, find, env } = newHome()
  write(config, auths({ 'quay.io': 'config:2' }))
  assert.equal(await find('quay.io/team/app', write('option.json', {})), null)
  const nowhere = join(folder, 'nowhere.json')
  await assert.rejects(find('quay.io/team/app', nowhere), refusal('configuration', /no file of credentials/))
  env.REGISTRY_AUTH_FILE = nowhere
  await assert.rejects(find('quay.io/team/app'), refusal('configuration', /no file of credentials/))
})

test('folders are those that the environment names', async () => {
  const { write, find, env } = newHome()
  write('xdg/containers/auth.json', auths({ 'quay.io': 'xdg:1' }))
  write('dock/config.json', auths({ 'ghcr.io': 'dock:1' }))
  write(docker, auths({ 'ghcr.io': 'docker:1' }))
  env.XDG_CONFIG_HOME = `${env.HOME}/xdg`
  env.DOCKER_CONFIG = `${env.HOME}/dock`
  assert.equal(await find('quay.io/team/app'), 'xdg:1')
  assert.equal(await find('ghcr.io/team/app'), 'dock:1')
})

test('the longest part of the name counts, and whole components alone', async () => {
  const { write, find } = newHome()
  write(
    config,
    auths({ 'quay.io': 'r:0', 'quay.io/team': 't:1', 'quay.io/team/app/db': 'd:3', 'quay.io:8443': 'p:9' }),
  )
  assert.equal(await find('quay.io/team/app/db'), 'd:3')
  assert.equal(await find('quay.io/team/app'), 't:1')
  assert.equal(await find('quay.io/teams/app'), 'r:0')
  assert.equal(await find('quay.io:8443/team/app'), 'p:9')
  assert.equal(await find('quay.io:443/team/app'), null)
  assert.equal(await find('evil.io/quay.io'), null)
  assert.equal(await find('__proto__/app'), null)
})

test('keys that docker login writes are read, as those of Docker Hub', async () => {
  const { write, find } = newHome()
  write(docker, auths({ 'https://index.docker.io/v1/': 'hub:1', 'https://quay.io/v2/': 'quay:1' }))
  assert.equal(await find('docker.io/library/busybox'), 'hub:1')
  assert.equal(await find('quay.io/team/app'), 'quay:1')
  assert.equal(await find('ghcr.io/team/app'), null)
})

test('a password may hold colons, and an entry without a user is none', async () => {
  const { write, find } = newHome()
  write(config, {
    auths: { 'a.io': auth('user:pass:word'), 'b.io': auth('nobody'), 'c.io': {}, 'd.io': auth(':') },
  })
  write(docker, auths({ 'b.io': 'b:1', 'c.io': 'c:1', 'd.io': 'd:1' }))
  assert.equal(await find('a.io/app'), 'user:pass:word')
  for (const name of ['b', 'c', 'd']) assert.equal(await find(`${name}.io/app`), `${name}:1`)
})

test('an identity token comes with its entry', async () => {
  const { write, find } = newHome()
  write(config, { auths: { 'quay.io': { ...auth('user:'), identitytoken: 'idt' } } })
  assert.equal(await find('quay.io/app'), 'user:+idt')
})

/** A helper that has credentials for one server. */
const helper = (server: string, answer: string) => `#!/bin/sh
test "$1" = get || exit 2
read -r asked
test "$asked" = '${server}' || { echo 'credentials not found in native keychain'; exit 1; }
echo '${answer}'
`
const answerOf = (Username: string, Secret: string) => JSON.stringify({ ServerURL: 'x', Username, Secret })

test('a helper for the registry goes before entries, and is asked for the registry', async () => {
  const { write, find } = newHome()
  write('bin/docker-credential-one', helper('quay.io', answerOf('helped', 'secret')))
  write('bin/docker-credential-idt', helper('ghcr.io', answerOf('<token>', 'idt')))
  const file = {
    ...auths({ 'quay.io/team': 'entry:1' }),
    credHelpers: { 'quay.io': 'one', 'ghcr.io': 'idt', 'x.io': 'one' },
  }
  write(config, file)
  write(docker, auths({ 'x.io': 'x:1' }))
  assert.equal(await find('quay.io/team/app'), 'helped:secret')
  assert.equal(await find('ghcr.io/team/app'), ':+idt')
  assert.equal(await find('x.io/team/app'), 'x:1')
})

test('a helper for every registry is asked where there is no entry', async () => {
  const { write, find } = newHome()
  write('bin/docker-credential-hub', helper('https://index.docker.io/v1/', answerOf('hub', 'secret')))
  write('bin/docker-credential-all', helper('quay.io', answerOf('all', 'secret')))
  const entries = { 'https://index.docker.io/v1/': {}, 'quay.io': {}, 'ghcr.io': auth('entry:1') }
  write(docker, { auths: entries, credsStore: 'hub' })
  assert.equal(await find('docker.io/library/busybox'), 'hub:secret')
  assert.equal(await find('quay.io/app'), null)
  write(docker, { auths: entries, credsStore: 'all' })
  assert.equal(await find('quay.io/app'), 'all:secret')
  assert.equal(await find('ghcr.io/app'), 'entry:1')
})

test('a helper that fails is told of, and what it said is not', async () => {
  const { write, find, env } = newHome()
  const programs = [
    '#!/bin/sh\necho hunter2\n',
    '#!/bin/sh\necho hunter2; exit 1\n',
    '#!/bin/sh\necho \'{"Username":7,"Secret":"hunter2"}\'\n',
    '#!/bin/sh\nyes hunter2\n',
  ]
  write(config, {
    credHelpers: { 'quay.io': 'odd', 'a.io': 'missing', 'b.io': '../bin/odd', 'c.io': 'odd; touch x' },
  })
  for (const program of programs) {
    write('bin/docker-credential-odd', program)
    await assert.rejects(find('quay.io/app'), (error: Error) => {
      assert.doesNotMatch(error.message, /hunter2/)
      return refusal('configuration', /gives no credentials for quay.io/)(error)
    })
  }
  await assert.rejects(find('a.io/app'), refusal('configuration', /gives no credentials/))
  await assert.rejects(find('b.io/app'), refusal('configuration', /cannot be the name/))
  await assert.rejects(find('c.io/app'), refusal('configuration', /cannot be the name/))
  assert.ok(!existsSync(`${env.HOME}/x`))
})

test('a broken file is told of, and not quoted', async () => {
  const { write, find } = newHome()
  const contents = [
    'hunter2',
    '{"auths":{"quay.io":{"auth":"hunter2',
    '[]',
    '{"auths":[]}',
    '{"auths":{"quay.io":"hunter2"}}',
    '{"auths":{"quay.io":{"auth":7}}}',
    '{"credHelpers":{"quay.io":["hunter2"]}}',
    '{"auths":{"quay.io":{"auth":"hunter2!"}}}',
  ]
  for (const content of contents) {
    write(config, content)
    await assert.rejects(find('quay.io/app'), (error: Error) => {
      assert.doesNotMatch(error.message, /hunter2/)
      return refusal('configuration', /is not a file of credentials|not base64/)(error)
    })
  }
})
