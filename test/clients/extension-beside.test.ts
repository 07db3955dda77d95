import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseToken } from '../../src/access/token.ts'
import { eventually } from '../eventually.ts'
import { type FrontProxy, frontProxies, startPlainLookaside } from './beside.ts'
import { newGnupg } from './gnupg.ts'
import { type Image, writeImage } from './image.ts'
import type { Lookaside } from './lookaside.ts'
import { anything, type Machine, newMachine, signedBy } from './machine.ts'
import { atEnd, everySkopeo, type Outcome, succeed, workFolder } from './program.ts'
import { type Registry, startRegistry } from './registry.ts'
import { startPasswordRegistry, user } from './registry-logins.ts'
import { accepted, clients, refused } from './site.ts'

const folder = workFolder()
const gnupg = newGnupg(folder)
const alice = await gnupg.newKey('alice')
const bob = await gnupg.newKey('bob', 'ed25519')
const skopeos = await everySkopeo()
const openRegistry = await startRegistry(folder, { secure: false })
const passwordRegistry = await startPasswordRegistry(folder, { secure: false })

/** Its layer is larger than what proxies take if they are not told otherwise. */
const image = writeImage(join(folder, 'image'), randomBytes(2 * 1024 * 1024).toString('hex'))
/** The same; podman and buildah have no name to give to a layout in a folder with capitals. */
const archive = `docker-archive:${join(folder, 'image.tar')}`
await succeed('skopeo', ['--insecure-policy', 'copy', `oci:${image.layout}`, archive])

interface Push {
  reference: string
  /** `user:password`; null: none. */
  login: string | null
}

const { 'skopeo copy': pullWithSkopeo } = clients as { 'skopeo copy': (typeof clients)[string] }

/** Every client that signs what it pushes, with the key of alice. */
const signers: Record<string, (machine: Machine, push: Push) => Promise<Outcome>> = {
  ...Object.fromEntries(skopeos.map(({ command, version }) => [`skopeo-${version}`, skopeoSigner(command)])),
  podman: (machine, push) => signWhatIsPulled((...args) => machine.podman(...args), push),
  buildah: (machine, push) => signWhatIsPulled((...args) => machine.buildah(...args), push),
}

function skopeoSigner(command: string, from: Image = image) {
  return (machine: Machine, { reference, login }: Push) => {
    const credentials = login === null ? [] : ['--dest-creds', login]
    const signing = ['copy', '--sign-by', alice.fingerprint, ...credentials]
    return machine.skopeo([...signing, `oci:${from.layout}`, `docker://${reference}`], {}, command)
  }
}

async function signWhatIsPulled(
  client: (command: string, ...args: string[]) => Promise<Outcome>,
  { reference, login }: Push,
): Promise<Outcome> {
  const pulled = await client('pull', '--quiet', archive)
  accepted(pulled)
  const credentials = login === null ? [] : ['--creds', login]
  const id = pulled.stdout.trim()
  return client('push', '--sign-by', alice.fingerprint, ...credentials, id, `docker://${reference}`)
}

interface Site {
  server: Lookaside
  proxy: FrontProxy
  /** A machine that trusts the proxy; nothing in its registries.d. */
  machine(): Machine
  /** How many signatures are at a repository. */
  count(repository: string): Promise<number>
  /** Who has uploaded those, once the log has so many. */
  uploaders(repository: string, count: number): Promise<string[]>
}

for (const [name, startProxy] of Object.entries(frontProxies)) {
  async function besides(
    { host }: Pick<Registry, 'host'>,
    { registry = {}, asksForTokens = false }: { registry?: object; asksForTokens?: boolean },
  ): Promise<Site> {
    const home = mkdtempSync(join(folder, 'site-'))
    const { server, address } = await startPlainLookaside(home, { registry })
    const proxy = await startProxy(home, { registry: host, lookaside: address, asksForTokens })
    const machine = () => {
      const made = newMachine(folder, proxy, gnupg.env)
      // What is pushed comes from its storage, which is asked for as well.
      writeFileSync(join(made.containers, 'policy.json'), JSON.stringify({ default: [anything] }))
      return made
    }
    const count = async (repository: string) => {
      const response = await fetch(`${server.url}/api/v1/signatures?repository=${repository}`)
      return ((await response.json()) as { signatures: unknown[] }).signatures.length
    }
    const uploadsOf = (repository: string) =>
      server.log().filter((line) => line.msg === 'upload' && line.repository === repository)
    const uploaders = async (repository: string, count: number) => {
      await eventually(async () => uploadsOf(repository).length >= count)
      return uploadsOf(repository).map(({ actor }) => String(actor).replace(/^token:\w+/, 'token'))
    }
    return { server, proxy, machine, count, uploaders }
  }

  test(`${name} beside a registry that asks for nothing: one command with a token signs and uploads`, async () => {
    const site = await besides(openRegistry, { asksForTokens: true })
    const { server, proxy, machine } = site
    const token = await server.token('push:team/**')
    for (const [client, sign] of Object.entries(signers)) {
      const reference = `${proxy.host}/team/${client}:1`
      accepted(await sign(machine(), { reference, login: `ci:${token}` }))
      assert.equal(await site.count(`team/${client}`), 1)
      assert.deepEqual(await site.uploaders(`team/${client}`, 1), ['token signer'])
      const reader = machine()
      reader.require(signedBy(alice))
      for (const pull of Object.values(clients)) accepted(await pull(reader, { reference }))
      reader.require(signedBy(bob))
      refused(await pullWithSkopeo(reader, { reference }), /GPG signature/)

      const other = { reference: `${proxy.host}/other/${client}:1`, login: `ci:${token}` }
      refused(await sign(machine(), other), /denied: signer has no right push:other/)
      refused(await sign(machine(), { ...other, login: 'ci:lks_00000000_x' }), /token is not known/)
      refused(await sign(machine(), { ...other, login: null }), /A token is needed/)
      assert.equal(await site.count(`other/${client}`), 0)
    }
    const refusal = () => server.log().find(({ msg, code }) => msg === 'refused' && code === 'not-allowed')
    await eventually(async () => refusal() !== undefined)
    assert.match(String(refusal()?.path), /^\/extensions\/v2\/other\//)
    const secret = parseToken(token)?.secret
    assert.ok(secret && !JSON.stringify(server.log()).includes(secret), 'the log has the token')
    const buffered = proxy.lines.filter((line) => line.includes('buffered to a temporary file'))
    assert.deepEqual(buffered, [], 'layers wait on the disk of the proxy')
  })

  test(`${name} beside a registry with passwords: who may push may sign`, async () => {
    const upstream = `http://${passwordRegistry.host}`
    const registry = { upstream, delegate: true }
    const site = await besides(passwordRegistry, { registry })
    const { server, proxy, machine } = site
    const login = `${user.name}:${user.password}`
    for (const [client, sign] of Object.entries(signers)) {
      const path = `${name.toLowerCase()}/${client}`
      const reference = `${proxy.host}/${path}:1`
      accepted(await sign(machine(), { reference, login }))
      assert.deepEqual(await site.uploaders(path, 1), ['registry:puller'])
      const reader = machine()
      reader.require(signedBy(alice))
      const copy = ['copy', '--src-creds', login, `docker://${reference}`, `dir:${reader.newFolder()}`]
      accepted(await reader.skopeo(copy))
      refused(await sign(machine(), { reference, login: `${user.name}:wrong` }), /authentication required/)
      assert.equal(await site.count(path), 1)
    }
    const [client] = Object.keys(signers)
    const digest = image.digest.replace(':', '=')
    const slot = `${server.url}/signatures/${name.toLowerCase()}/${client}@${digest}/signature-1`
    assert.equal((await fetch(slot)).status, 200, 'it is a lookaside as well')
  })

  test(`${name} beside an open registry that decides: everybody may sign if that is said, else nobody`, async () => {
    const upstream = `http://${openRegistry.host}`
    for (const anonymous of [true, false]) {
      const site = await besides(openRegistry, { registry: { upstream, delegate: true, anonymous } })
      const path = `${name.toLowerCase()}/anonymous-${anonymous}`
      for (const sign of skopeos.map(({ command }) => skopeoSigner(command))) {
        const push = { reference: `${site.proxy.host}/${path}:1`, login: null }
        const outcome = await sign(site.machine(), push)
        if (anonymous) accepted(outcome)
        else refused(outcome, /lets everybody push/)
      }
      if (anonymous) {
        const signed = await site.uploaders(path, skopeos.length)
        assert.deepEqual(signed, Array(skopeos.length).fill('registry:anonymous'))
      } else assert.equal(await site.count(path), 0)
    }
  })

  test(`${name} keeps tokens from the registry, and passes on what it makes its addresses from`, async () => {
    const seen: IncomingHttpHeaders[] = []
    const recorder = createServer((request, response) => {
      seen.push(request.headers)
      response.writeHead(request.url === '/v2/none' ? 401 : 200).end()
    }).listen(0, 'localhost')
    await once(recorder, 'listening')
    atEnd(async () => recorder.close())
    const host = `localhost:${(recorder.address() as AddressInfo).port}`
    const { server, proxy } = await besides({ host }, { asksForTokens: true })
    const login = `ci:${await server.token('push:**')}`
    const ask = async (path: string, ...args: string[]) =>
      succeed('curl', [
        ...['--silent', '--include', '--http1.1', '--cacert', proxy.ca, ...args],
        `https://${proxy.host}${path}`,
      ])
    const supports = /^x-registry-supports-signatures: 1\r$/gim

    assert.match(await ask('/v2/'), /^HTTP\/1.1 401 .*www-authenticate: Basic realm/is)
    for (const [path, status, ...args] of [
      ['/v2/', 401],
      ['/v2/', 200, '--user', login],
      ['/v2/a', 200, '--user', login],
      ['/v2/none', 401, '--user', login],
    ] as const) {
      const answer = await ask(path, ...args)
      assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), answer)
      assert.equal(answer.match(supports)?.length, 1, answer)
    }
    assert.equal(seen.length, 2, 'Lookaside answers what clients begin with')
    for (const headers of seen) {
      assert.equal(headers.authorization, undefined)
      assert.equal(headers['x-forwarded-host'], proxy.host)
      assert.equal(headers['x-forwarded-proto'], 'https')
      assert.equal(headers.host, proxy.host)
    }
  })
}
