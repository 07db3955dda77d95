import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { readClaim } from '../../src/claim/claim.ts'
import { type Candidate, evaluate, type Verdict } from '../../src/policy/evaluate.ts'
import { readPolicy } from '../../src/policy/policy.ts'
import type { SignedBy } from '../../src/policy/requirement.ts'
import { requirementsFor } from '../../src/policy/scope.ts'
import { parseDigest } from '../../src/reference/digest.ts'
import { parseReference } from '../../src/reference/reference.ts'
import { claimOf, exampleDigest } from '../signing.ts'
import { newGnupg } from './gnupg.ts'
import { writeImage } from './image.ts'
import { newMachine } from './machine.ts'
import { type Case, digestOfImage, generateCases, type Home, tagOfImage } from './policy-cases.ts'
import { workFolder } from './program.ts'
import { startRegistry } from './registry.ts'
import { accepted, refused } from './site.ts'

const count = 300
/** Each client waits for the registry and for gpg more than it works. */
const concurrency = 4

const folder = workFolder()
const registry = await startRegistry(folder)
const gnupg = newGnupg(folder)
const keys = { alice: await gnupg.newKey('alice', 'ed25519'), bob: await gnupg.newKey('bob', 'ed25519') }
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

interface Staged {
  /** As the client is given it. */
  name: string
  /** As it is looked up in the policy. */
  image: string
  digest: string
  candidates: Candidate[]
  signer: Case['signer']
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
  if (signed !== undefined) {
    const claim = join(folder, `claim-${index}`)
    const location = join(lookaside, `${home.path}@${image.digest.replace(':', '=')}`)
    mkdirSync(location, { recursive: true })
    writeFileSync(
      claim,
      claimOf({ reference: fill(signed), digest: isOfImage ? image.digest : exampleDigest() }),
    )
    await gnupg.sign(keys[signer], claim, join(location, 'signature-1'))
    candidates.push({ format: 'simple-signing', claim: readClaim(readFileSync(claim)) })
  }
  return {
    name: `${home.short}${suffix}`,
    image: `${home.host}/${home.path}${suffix || ':latest'}`,
    digest: image.digest,
    candidates,
    signer,
    policy,
  }
}

/** What is asked of keys here is which made a signature: the one of this signer did, if a requirement has its file. */
const verifyAs =
  (signer: Case['signer']) =>
  (_: Candidate, { keys: source }: SignedBy): Verdict => {
    const { fingerprint, publicKey } = keys[signer]
    const isKnown = 'paths' in source && source.paths.includes(publicKey)
    return {
      status: isKnown ? 'valid' : 'unknown-key',
      fingerprint: isKnown ? fingerprint : null,
      primaryFingerprint: isKnown ? fingerprint : null,
      userId: null,
    }
  }

async function judge({ image, digest, candidates, signer, policy }: Staged): Promise<boolean> {
  const named = parseReference(image)
  const { requirements } = requirementsFor(readPolicy(readFileSync(policy)), named)
  const question = { image: named, digest: parseDigest(digest) }
  return (await evaluate(requirements, question, candidates, verifyAs(signer))).passed
}

const cases = generateCases(count, homes, (name) => keys[name].publicKey)
const passed: boolean[] = []

suite('an image is accepted here exactly where skopeo copies it:', { concurrency }, () => {
  for (const [index, one] of cases.entries())
    test(`${index}: ${one.home.host} by ${one.naming}, signed as ${one.signed}`, async () => {
      const staged = await stage(one, index)
      const passes = await judge(staged)
      passed.push(passes)
      const copy = ['copy', `docker://${staged.name}`, `dir:${machine.newFolder()}`]
      const outcome = await machine.skopeo(['--policy', staged.policy, ...copy])
      const explained = {
        ...outcome,
        stderr: `${outcome.stderr}${JSON.stringify({ ...one, ...staged }, null, 2)}`,
      }
      if (passes) accepted(explained)
      else refused(explained, /Source image rejected: /)
    })
})

test('a good part of those cases is accepted, and a good part refused', () => {
  assert.equal(passed.length, count)
  const accepted = passed.filter(Boolean).length
  assert.ok(Math.min(accepted, count - accepted) >= count / 4, `${accepted} of ${count} are accepted`)
})
