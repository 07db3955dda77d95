import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { eventually } from '../eventually.ts'
import { signingClients, skopeoCopy, startFront } from './front.ts'
import { newGnupg } from './gnupg.ts'
import { writeImage } from './image.ts'
import { newMachine, signedBy } from './machine.ts'
import { everySkopeo, succeed, workFolder } from './program.ts'
import { developer, reader, startTokenRegistry, user } from './registry-logins.ts'
import { accepted, clients, refused } from './site.ts'

/*
 * In front of a registry that takes tokens of a server of its own, and decides who may sign.
 */
const skopeos = await everySkopeo()
const folder = workFolder()
const gnupg = newGnupg(folder)
const alice = await gnupg.newKey('alice', 'ed25519')
const tokens = await startTokenRegistry(folder)

let images = 0
const newImage = () => writeImage(join(folder, `image-${++images}`), `image ${images} of ${folder}\n`)
const loginOf = ({ name, password }: { name: string; password: string }) => `${name}:${password}`

for (const { which, registry, isTogether } of [
  { which: 'whose token server is elsewhere', registry: tokens, isTogether: false },
  { which: 'that gives out tokens itself', registry: tokens.together, isTogether: true },
])
  suite(`a registry ${which}`, async () => {
    const home = join(folder, isTogether ? 'together' : 'apart')
    mkdirSync(home)
    const front = await startFront(home, registry, { delegate: true })
    const { host } = front
    const ca = join(home, 'both.crt')
    writeFileSync(ca, [front.ca, tokens.ca].map((file) => readFileSync(file, 'utf8')).join(''))
    // The certificate of its token server is wanted only where clients are sent to that.
    const newClient = () => newMachine(folder, { host, ca: isTogether ? front.ca : ca }, gnupg.env)
    const client = newClient()
    const curl = (...args: string[]) =>
      succeed('curl', ['--silent', '--fail-with-body', '--cacert', ca, ...args])

    /** The realm and the service that clients are told. */
    const challenge = async () => {
      const answer = await succeed('curl', [
        '--silent',
        '--include',
        '--cacert',
        ca,
        `${front.server.url}/v2/`,
      ])
      const [, realm = '', service = ''] =
        /^www-authenticate: Bearer realm="([^"]+)",service="([^"]+)"/im.exec(answer) ?? []
      return { realm, service }
    }
    /** Options of curl with the token that this user gets to push to a repository, and to what else he says. */
    const bearer = async (login: string, ...repositories: string[]): Promise<string[]> => {
      const { realm, service } = await challenge()
      const query = new URLSearchParams({ service })
      for (const repository of repositories) query.append('scope', `repository:${repository}:pull,push`)
      const { token } = JSON.parse(await curl('--user', login, `${realm}?${query}`))
      return ['--header', `Authorization: Bearer ${token}`]
    }
    const publish = async (repository: string) => {
      const image = newImage()
      const reference = `${host}/${repository}:1.${images}`
      const copy = ['copy', '--dest-creds', loginOf(user), `oci:${image.layout}`, `docker://${reference}`]
      accepted(await client.skopeo(copy))
      const blob = await gnupg.signClaim(alice, { reference, digest: image.digest })
      return { ...image, reference, repository, blob }
    }

    test('sends clients for tokens where they can get one', async () => {
      const { realm } = await challenge()
      if (isTogether) assert.equal(realm, `${front.server.url}/extensions/v2/token`)
      else assert.equal(realm, `https://${tokens.together.host}/token`)
    })

    // They ask for tokens alike, wherever they are sent.
    for (const [name, push] of signingClients(skopeos).slice(0, isTogether ? undefined : skopeos.length))
      test(`lets who may push sign with ${name}`, async () => {
        const image = newImage()
        const repository = `public/app-${images}`
        const reference = `${host}/${repository}:1.0`
        const pushed = await push(client, { image, reference, key: alice, login: loginOf(user) })
        accepted(pushed)
        assert.equal((await front.list(repository, pushed.digest)).length, 1)
        await eventually(async () => front.actors().at(-1) === `registry:${user.name}`)
      })

    test('lets everybody pull what is public, and who may pull the rest, by the signature', async () => {
      const verifier = newClient()
      verifier.require(signedBy(alice))
      const open = await publish('public/pulled')
      const copy = ({ reference }: { reference: string }, ...options: string[]) =>
        verifier.skopeo(['copy', ...options, `docker://${reference}`, `dir:${verifier.newFolder()}`])
      refused(await copy(open), /no signature exists/)
      const token = await bearer(loginOf(user), open.repository)
      assert.equal(await front.put(open.repository, open.digest, open.blob, ...token), '201')
      for (const pull of Object.values(clients)) accepted(await pull(verifier, open))

      const closed = await publish('team/pulled')
      refused(await copy(closed), /unauthorized|authentication required/)
      refused(await copy(closed, '--src-creds', loginOf(reader)), /no signature exists/)
    })

    test('lets who has an identity token sign, which is sent with POST', async () => {
      const authFile = join(home, 'auth.json')
      const auth = {
        auth: Buffer.from(`${user.name}:`).toString('base64'),
        identitytoken: user.identityToken,
      }
      writeFileSync(authFile, JSON.stringify({ auths: { [host]: auth } }))
      const { layout, digest } = newImage()
      const copy = ['copy', '--authfile', authFile, '--sign-by', alice.fingerprint]
      accepted(await client.skopeo([...copy, `oci:${layout}`, `docker://${host}/team/identity:1.0`]))
      assert.equal(tokens.asked.at(-1), 'POST')
      assert.equal((await front.list('team/identity', digest)).length, 1)
    })

    test('lets nobody sign who may only pull, or knows no password', async () => {
      const image = await publish('public/only')
      const before = await front.signatures()
      for (const login of [undefined, loginOf(reader), `${user.name}:wrong`]) {
        const push = { image, reference: image.reference, key: alice, ...(login !== undefined && { login }) }
        refused(await skopeoCopy()(client, push), /denied|unauthorized|authentication required/)
      }
      assert.deepEqual(await front.signatures(), before)
    })

    test('keeps out a signature with a token to pull, to nothing, or to another repository', async () => {
      const { repository, digest, blob } = await publish('team/app')
      const put = async (login: string, ...repositories: string[]) =>
        front.put(repository, digest, blob, ...(await bearer(login, ...repositories)))
      const refusal = '401 UNAUTHORIZED'
      assert.equal(await put(loginOf(reader), repository), refusal)
      assert.equal(await put(loginOf(user)), refusal)
      assert.equal(await put(loginOf(user), 'other/app'), refusal)
      assert.equal(await front.put(repository, digest, blob), refusal)
      assert.equal(await front.put(repository, digest, blob, '--user', loginOf(user)), refusal)
      assert.deepEqual(await front.signatures(repository), [])
      assert.equal(await put(loginOf(user), repository), '201')
      assert.equal(await put(loginOf(reader), repository), refusal)
    })

    test('lets who may push to one repository sign there, and in no other', async () => {
      const [own, other] = [await publish('team/app'), await publish('other/app')]
      const token = await bearer(loginOf(developer), 'team/app', 'other/app')
      assert.equal(await front.put('team/app', own.digest, own.blob, ...token), '201')
      assert.equal(await front.put('other/app', other.digest, other.blob, ...token), '401 UNAUTHORIZED')
      assert.deepEqual(await front.signatures('other/app'), [])
      const push = { image: other, reference: other.reference, key: alice, login: loginOf(developer) }
      refused(await skopeoCopy()(client, push), /denied|unauthorized|authentication required/)
      assert.deepEqual(await front.signatures('other/app'), [])
    })
  })
