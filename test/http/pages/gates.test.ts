import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { defaultSignedIdentity } from '../../../src/policy/signed-identity.ts'
import { fixture } from '../../openpgp/fixture.ts'
import { testServer } from '../../server.ts'
import { temporaryFolder } from '../../temporary.ts'
import { page } from './browse.ts'

const folder = temporaryFolder()
const fileWith = (name: string, content: Uint8Array | string) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}
const good = fileWith('good.gpg', fixture('keyrings/rsa2048.gpg'))
const other = fileWith('other.gpg', fixture('keyrings/ed25519.gpg'))
const revoked = fileWith('revoked.gpg', fixture('keyrings/revoked-0.gpg'))
const signedBy = (...keyPaths: string[]) => ({ type: 'signedBy', keyType: 'GPGKeys', keyPaths })

/** The text of what a gate with this policy asks, without markup. */
async function asked(policy: object, rules: object = {}): Promise<string> {
  const gate = {
    policy: fileWith('policy.json', JSON.stringify(policy)),
    thresholds: [],
    maxAge: null,
    index: 'ignored' as const,
    ...rules,
  }
  const server = await testServer({ gates: { production: gate } })
  const text = await page(server, '/gates/production')
  await server.close()
  const [, section = ''] = /<section aria-labelledby="asks">(.*?)<\/section>/s.exec(text) ?? []
  return section
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
}

test('a gate says what it asks, entry by entry, before it is asked', async () => {
  const text = await asked(
    {
      default: [{ type: 'reject' }],
      transports: {
        docker: {
          'registry.example.com/team': [
            signedBy(good, other),
            { ...signedBy(good), signedIdentity: { type: 'matchRepository' } },
          ],
          'no image can be here': [{ type: 'reject' }],
          '': [{ type: 'insecureAcceptAnything' }],
        },
        dir: { '/tmp': [{ type: 'reject' }] },
      },
    },
    {
      thresholds: [
        {
          type: 'threshold',
          place: 'x',
          atLeast: 2,
          keys: { paths: [good, other] },
          signedIdentity: defaultSignedIdentity,
        },
      ],
      maxAge: 90 * 86_400,
      index: 'required',
    },
  )
  const rsa = 'rsa2048 1181 DA58 1DDD 02A5 893B 915A C94F 04F6 29FA FB54'
  const ed = 'ed25519 5AC3 C2A8 A65D E795 18EA 8ADE DD38 5525 CDBA 7EE8'
  assert.equal(
    text,
    [
      'What it asks What counts for an image is the entry that names it most closely.',
      `Images of registry.example.com/team All of this: A signature by one of ${rsa} ${ed}`,
      `A signature by ${rsa} The claim may name any tag of the repository.`,
      'Any other image Anything is accepted.',
      `Besides, every image Signatures by 2 of ${rsa} ${ed}`,
      'Signatures that were made longer than 90 days ago do not count.',
      'The index of a multi-architecture image must pass like the images in it.',
    ].join(' '),
  )
})

test('where no key can sign now, or fewer than are asked for, no image passes', async () => {
  assert.match(
    await asked({ default: [signedBy(revoked)] }),
    /A signature, and none of those named can sign now: no image passes/,
  )
  const threshold = { type: 'threshold', place: 'x', atLeast: 2, signedIdentity: defaultSignedIdentity }
  const thresholds = [{ ...threshold, keys: { paths: [good, revoked] } }]
  assert.match(
    await asked({ default: [{ type: 'insecureAcceptAnything' }] }, { thresholds }),
    /Signatures by 2 keys, and 1 of those named can sign now: no image passes/,
  )
})
