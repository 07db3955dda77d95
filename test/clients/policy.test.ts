import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { readClaim } from '../../src/claim/claim.ts'
import { readKeyring } from '../../src/openpgp/keyring.ts'
import { readMessage } from '../../src/openpgp/message.ts'
import { verifyMessage } from '../../src/openpgp/verdict.ts'
import { type Candidate, evaluate, type Verdict } from '../../src/policy/evaluate.ts'
import { readPolicy } from '../../src/policy/policy.ts'
import type { SignedBy } from '../../src/policy/requirement.ts'
import { requirementsFor } from '../../src/policy/scope.ts'
import { parseDigest } from '../../src/reference/digest.ts'
import { parseReference } from '../../src/reference/reference.ts'
import { claimOf, exampleDigest } from '../signing.ts'
import { writeImage } from './image.ts'
import { armoredRing, newSigner, type Signer, signMessage } from './key-cases.ts'
import { newMachine } from './machine.ts'
import {
  type Case,
  digestOfImage,
  generateCases,
  type Home,
  type SignerName,
  signers,
  tagOfImage,
} from './policy-cases.ts'
import { everySkopeo, onlyOneSkopeo, workFolder } from './program.ts'
import { startRegistry } from './registry.ts'
import { accepted, refused } from './site.ts'

const count = 300
/** Each client waits for the registry and for gpg more than it works. */
const concurrency = 4

/*
 * Where the versions of skopeo differ, and what is right here:
 *
 * | case                    | before 1.21 | since    | here     | reason               |
 * |-------------------------|-------------|----------|----------|----------------------|
 * | a signature by a subkey | refused     | accepted | accepted | see `acceptsSubkeys` |
 */
const every = await everySkopeo()

const folder = workFolder()
const registry = await startRegistry(folder)
const machine = newMachine(folder, registry)
const lookaside = join(folder, 'lookaside')
machine.readFrom(`file://${lookaside}`)

/** The registry under its own name and under others, so that hosts have dots and ports and Docker Hub is one. */
const homes: Home[] = [
  { host: registry.host, path: 'team/app' },
  { host: 'registry.eu.example.com:8443', path: 'team/sub/app' },
  { host: 'example.org', path: 'app' },
  { host: 'docker.io', path: 'library/app' },
].map((home) => ({ ...home, short: home.host === 'docker.io' ? 'app' : `${home.host}/${home.path}` }))
writeFileSync(
  join(machine.containers, 'registries.conf'),
  homes
    .slice(1)
    .map(({ host }) => `[[registry]]\nprefix = "${host}"\nlocation = "${registry.host}"\n`)
    .join('\n'),
)

const signerNames = Object.keys(signers) as SignerName[]
const forEachSigner = <T>(make: (name: SignerName) => T) =>
  Object.fromEntries(signerNames.map((name) => [name, make(name)])) as Record<SignerName, T>

const keys = forEachSigner((name): Signer => newSigner(signers[name]))

/** Files and data with the keys of a signer, in several forms, and with those of others too. */
function sourcesOf(name: SignerName): object[] {
  const [own, others] = [keys[name].ring, Buffer.concat([keys.extended.ring, keys.superseded.ring])]
  const contents = {
    binary: own,
    armored: armoredRing(own),
    among: Buffer.concat([others, own]),
    blocks: Buffer.concat([own, others].map(armoredRing)),
    others,
  }
  const paths = Object.fromEntries(
    Object.entries(contents).map(([kind, content]) => {
      const file = join(folder, `${name}.${kind}`)
      writeFileSync(file, content)
      return [kind, file]
    }),
  )
  return [
    ...['binary', 'armored', 'among', 'blocks'].map((kind) => ({ keyPath: paths[kind] })),
    { keyPaths: [paths.others, paths.armored] },
    ...[contents.binary, contents.blocks].map((content) => ({ keyData: content.toString('base64') })),
  ]
}

interface Staged {
  /** As the client is given it. */
  name: string
  /** As it is looked up in the policy. */
  image: string
  digest: string
  candidates: Candidate[]
  message: Uint8Array
  policy: string
}

/** Puts the image, its signature and the policy of a case where the client finds them. */
async function stage(
  { home, naming, signed, signer, isOfImage, scopes }: Case,
  index: number,
): Promise<Staged> {
  const tag = `t${index}`
  const image = writeImage(join(folder, `image-${index}`), `image ${index}\n`)
  const fill = (text: string) => text.replaceAll(digestOfImage, image.digest).replaceAll(tagOfImage, tag)
  const repository = `${registry.host}/${home.path}`
  const pushed = naming === 'neither' ? 'latest' : tag
  accepted(await machine.skopeo(['copy', `oci:${image.layout}`, `docker://${repository}:${pushed}`]))

  const suffix = { tag: `:${tag}`, digest: `@${image.digest}`, neither: '' }[naming]
  const policy = join(folder, `policy-${index}.json`)
  writeFileSync(
    policy,
    fill(JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: scopes } })),
  )
  const candidates: Candidate[] = []
  const claim = Buffer.from(
    claimOf({ reference: fill(signed ?? ''), digest: isOfImage ? image.digest : exampleDigest() }),
  )
  const message = signMessage(keys[signer], claim)
  if (signed !== undefined) {
    const location = join(lookaside, `${home.path}@${image.digest.replace(':', '=')}`)
    mkdirSync(location, { recursive: true })
    writeFileSync(join(location, 'signature-1'), message)
    candidates.push({ format: 'simple-signing', claim: readClaim(claim) })
  }
  return {
    name: `${home.short}${suffix}`,
    image: `${home.host}/${home.path}${suffix || ':latest'}`,
    digest: image.digest,
    candidates,
    message,
    policy,
  }
}

/** By the keys of a requirement, as clients do it; those that do not accept subkeys know no key that made such a signature. */
const verifyBy =
  (message: Uint8Array, acceptsSubkeys: boolean) =>
  async (_: Candidate, { keys }: SignedBy): Promise<Verdict> => {
    const files = 'data' in keys ? [keys.data] : keys.paths.map((path) => readFileSync(path))
    const now = Math.floor(Date.now() / 1000)
    const { verdict, key, created } = verifyMessage(readMessage(message), await readKeyring(...files), now)
    const isPrimary = key?.fingerprint === key?.certificate.fingerprint
    return {
      status: isPrimary || acceptsSubkeys ? verdict : 'unknown-key',
      fingerprint: key?.fingerprint ?? null,
      primaryFingerprint: key?.certificate.fingerprint ?? null,
      userId: key?.certificate.userIds[0] ?? null,
      created,
    }
  }

async function judge(
  { image, digest, candidates, message, policy }: Staged,
  acceptsSubkeys = true,
): Promise<boolean> {
  const named = parseReference(image)
  const { requirements } = requirementsFor(readPolicy(readFileSync(policy)), named)
  const question = { image: named, digest: parseDigest(digest) }
  return (await evaluate(requirements, question, candidates, verifyBy(message, acceptsSubkeys))).passed
}

const cases = generateCases(count, homes, forEachSigner(sourcesOf))
const passed: boolean[] = []
let bySubkey = 0

const names = every.map(({ version }) => version).join(' and ')

suite(`an image is accepted here exactly where skopeo ${names} copies it:`, { concurrency }, () => {
  for (const [index, one] of cases.entries())
    test(`${index}: ${one.home.host} by ${one.naming}, signed by ${one.signer} as ${one.signed}`, async () => {
      const staged = await stage(one, index)
      const passes = await judge(staged)
      passed.push(passes)
      if (passes !== (await judge(staged, false))) bySubkey++
      for (const { command, version, acceptsSubkeys } of every) {
        const copy = ['copy', `docker://${staged.name}`, `dir:${machine.newFolder()}`]
        const outcome = await machine.skopeo(['--policy', staged.policy, ...copy], {}, command)
        const explained = {
          ...outcome,
          stderr: `${outcome.stderr}${JSON.stringify({ version, ...one, ...staged, message: '' }, null, 2)}`,
        }
        if (acceptsSubkeys ? passes : await judge(staged, false)) accepted(explained)
        else refused(explained, /Source image rejected: /)
      }
    })
})

test('the newest skopeo is asked too', { skip: onlyOneSkopeo }, () => {
  assert.ok(every.at(-1)?.acceptsSubkeys)
})

test('no skopeo takes a name with both tag and digest', async () => {
  for (const { command } of every) {
    const both = `docker://${registry.host}/team/app:1@${exampleDigest()}`
    const outcome = await machine.skopeo(['copy', both, `dir:${machine.newFolder()}`], {}, command)
    refused(outcome, /both a tag and digest/)
  }
})

test('a good part of those cases is accepted, and a good part refused, some by a subkey', (t) => {
  assert.equal(passed.length, count)
  const accepted = passed.filter(Boolean).length
  assert.ok(Math.min(accepted, count - accepted) >= count / 4, `${accepted} of ${count} are accepted`)
  assert.ok(bySubkey >= 5, `${bySubkey} are accepted for a signature by a subkey`)
  t.diagnostic(`${accepted} of ${count} are accepted, ${bySubkey} of them only by those that accept subkeys`)
})
