import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { readKeyring } from '../../src/openpgp/keyring.ts'
import { readMessage } from '../../src/openpgp/message.ts'
import { type VerdictName, verifyMessage } from '../../src/openpgp/verdict.ts'
import { parseDigest } from '../../src/reference/digest.ts'
import { Refusal } from '../../src/refusal.ts'
import { fixture } from '../openpgp/fixture.ts'
import { claimOf, exampleReference } from '../signing.ts'
import { keyCases } from './key-cases.ts'
import { everySkopeo, onlyOneSkopeo, run, type Skopeo, workFolder } from './program.ts'
import { type Case, cases } from './verdict-cases.ts'

/*
 * Each case is judged by gpg, at a time that the case sets, and by every skopeo, as of today. Nothing may be valid here that is
 * not for them; what is valid for them and not here has its reason in the case. Where the versions of skopeo differ:
 *
 * | case                                         | before 1.21 | since    | here  | reason               |
 * |----------------------------------------------|-------------|----------|-------|----------------------|
 * | a subkey, and the fingerprint of its primary | refused     | accepted | valid | see `acceptsSubkeys` |
 */

const folder = workFolder()
const manifest = '{"schemaVersion":2}'
const digest = parseDigest(`sha256:${hash('sha256', manifest, 'hex')}`)
const manifestFile = join(folder, 'manifest.json')
writeFileSync(manifestFile, manifest)

/** What gpg says, for the verdicts that it has names for. */
const statuses: Record<string, VerdictName> = {
  GOODSIG: 'valid',
  EXPSIG: 'expired',
  EXPKEYSIG: 'key-expired',
  REVKEYSIG: 'revoked',
  BADSIG: 'bad',
  NO_PUBKEY: 'unknown-key',
}

let homes = 0

/** A home of gpg with these keys, imported at that time. */
async function homeWith(keyring: Uint8Array, now?: number): Promise<string> {
  const home = join(folder, `home-${homes++}`)
  mkdirSync(home)
  chmodSync(home, 0o700)
  // Public keys need no agent, and nobody would end it.
  writeFileSync(join(home, 'gpg.conf'), 'no-autostart\n')
  writeFileSync(join(home, 'keyring'), keyring)
  await gpg(home, now, '--import', join(home, 'keyring'))
  return home
}

async function gpg(home: string, now: number | undefined, ...args: string[]): Promise<string> {
  const time = now === undefined ? [] : ['--faked-system-time', `${now}!`]
  const options = ['--homedir', home, '--batch', '--no-tty', '--no-auto-check-trustdb', ...time]
  return (await run('gpg', [...options, '--status-fd', '1', ...args])).stdout
}

async function verdictOfGpg({ keyring, message, now }: Case): Promise<VerdictName | 'refused'> {
  const home = await homeWith(keyring, now)
  const file = join(home, 'message')
  writeFileSync(file, message)
  const told = await gpg(home, now, '--verify', file)
  const found = Object.keys(statuses).find((status) => told.includes(`[GNUPG:] ${status} `))
  return statuses[found ?? ''] ?? 'refused'
}

/** Asks a skopeo whether the message is signed by that key. */
type Ask = (skopeo: Skopeo, fingerprint: string) => Promise<boolean>

async function asking({ keyring, message }: Case): Promise<Ask> {
  const home = await homeWith(keyring)
  const file = join(home, 'message')
  writeFileSync(file, message)
  return async ({ command }, fingerprint) => {
    const args = ['standalone-verify', manifestFile, exampleReference, fingerprint, file]
    const { code, stdout } = await run(command, args, { env: { GNUPGHOME: home } })
    assert.equal(code === 0, stdout.startsWith('Signature verified'), stdout)
    return code === 0
  }
}

/** More than one at a time, as each waits for programs. */
async function forEachCase(judge: (each: Case) => Promise<void>): Promise<void> {
  const left = all.values()
  const lane = async () => {
    for (const each of left) await judge(each)
  }
  await Promise.all([lane(), lane(), lane()])
}

async function own({ keyring, message }: Case, now: number): Promise<VerdictName> {
  try {
    return verifyMessage(readMessage(message), await readKeyring(keyring), now).verdict
  } catch (error) {
    assert.ok(error instanceof Refusal && error.code === 'keyring')
    return 'unknown-key'
  }
}

const payload = Buffer.from(claimOf({ digest }))
const all = [...cases(payload), ...keyCases(payload)]
const every = await everySkopeo()
const names = every.map(({ version }) => version).join(' and ')
test('the newest skopeo is asked too', { skip: onlyOneSkopeo }, () => {
  assert.ok(every.at(-1)?.acceptsSubkeys)
})

test(`gpg and this come to the same in ${all.length} cases, but where this is stricter`, async () => {
  const disagreements: string[] = []
  await forEachCase(async (each) => {
    const [theirs, ours] = [await verdictOfGpg(each), await own(each, each.now)]
    const differs = theirs === 'valid' ? ours !== 'valid' : ours === 'valid'
    if (differs !== (each.stricter !== null) || (differs && ours === 'valid'))
      disagreements.push(`${each.name}: gpg ${theirs}, here ${ours}`)
    // A key that gpg does not import is unknown to it; what ails it is told here.
    const named: VerdictName[] = ['expired', 'key-expired', 'revoked']
    if (named.some((verdict) => verdict === theirs) && ours !== theirs)
      disagreements.push(`${each.name}: gpg ${theirs}, here ${ours}`)
  })
  assert.deepEqual(disagreements, [])
})

test(`skopeo ${names} and this come to the same in ${all.length} cases, but where this is stricter`, async () => {
  const disagreements: string[] = []
  let subkeys = 0
  const now = Date.now() / 1000
  await forEachCase(async (each) => {
    const { name, signer, primary, stricter } = each
    const ours = (await own(each, now)) === 'valid'
    if (ours && signer !== primary) subkeys++
    const isValid = await asking(each)
    const ask = async (skopeo: Skopeo, fingerprint: string, expected: boolean) => {
      const theirs = await isValid(skopeo, fingerprint)
      if (theirs !== expected && (expected || stricter === null))
        disagreements.push(`${name}: skopeo ${skopeo.version} ${theirs} for ${fingerprint}, here ${ours}`)
    }
    for (const skopeo of every) {
      await ask(skopeo, primary, ours && (signer === primary || skopeo.acceptsSubkeys))
      if (signer !== primary) await ask(skopeo, signer, ours)
    }
  })
  assert.deepEqual(disagreements, [])
  assert.ok(subkeys >= 12, `${subkeys} are valid and by a subkey`)
})

const ofGpg = [
  'rsa2048',
  'rsa3072',
  'rsa4096',
  'ed25519',
  'nistp256',
  'nistp384',
  'nistp521',
  'brainpoolP256r1',
]
const changing = ['subkey', 'expired', 'extended', 'revoked-0', 'revoked-1', 'revoked-2', 'revoked-3']

test('gpg and this come to the same for keys of gpg, now and before, and in a keyring with many keys', async () => {
  for (const name of [...ofGpg, 'secp256k1', ...changing]) {
    for (const file of [`${name}.gpg`, 'all.gpg', 'all.asc', 'ed25519.gpg']) {
      for (const now of ['2025-01-02', '2025-03-01'].map((date) => Date.parse(date) / 1000)) {
        const [keyring, message] = [fixture(`keyrings/${file}`), fixture(`keyrings/${name}.sig`)]
        const each = { name, keyring, message, now, signer: '', primary: '', stricter: null }
        assert.equal(await own(each, now), await verdictOfGpg(each), `${name} with ${file} at ${now}`)
      }
    }
  }
})
