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
import { run, workFolder } from './program.ts'
import { type Case, cases } from './verdict-cases.ts'

/*
 * Each case is judged by gpg, at a time that the case sets, and by skopeo, as of today. Nothing may be valid here that is
 * not for them; what is valid for them and not here has its reason in the case.
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

/** Debian's version wants the fingerprint of the very key that signed, others that of the primary key. */
async function isValidForSkopeo({ keyring, message, signers }: Case): Promise<boolean> {
  const home = await homeWith(keyring)
  const file = join(home, 'message')
  writeFileSync(file, message)
  for (const signer of signers) {
    const args = ['standalone-verify', manifestFile, exampleReference, signer, file]
    if ((await run('skopeo', args, { env: { GNUPGHOME: home } })).code === 0) return true
  }
  return false
}

async function own({ keyring, message }: Case, now: number): Promise<VerdictName> {
  try {
    return verifyMessage(readMessage(message), await readKeyring(keyring), now).verdict
  } catch (error) {
    assert.ok(error instanceof Refusal && error.code === 'keyring')
    return 'unknown-key'
  }
}

const all = cases(Buffer.from(claimOf({ digest })))

test(`gpg and this come to the same in ${all.length} cases, but where this is stricter`, async () => {
  const disagreements: string[] = []
  for (const each of all) {
    const [theirs, ours] = [await verdictOfGpg(each), await own(each, each.now)]
    const differs = theirs === 'valid' ? ours !== 'valid' : ours === 'valid'
    if (differs !== (each.stricter !== null) || (differs && ours === 'valid'))
      disagreements.push(`${each.name}: gpg ${theirs}, here ${ours}`)
    // A key that gpg does not import is unknown to it; what ails it is told here.
    const named: VerdictName[] = ['expired', 'key-expired', 'revoked']
    if (named.some((verdict) => verdict === theirs) && ours !== theirs)
      disagreements.push(`${each.name}: gpg ${theirs}, here ${ours}`)
  }
  assert.deepEqual(disagreements, [])
})

test(`skopeo and this come to the same in ${all.length} cases, but where this is stricter`, async () => {
  const disagreements: string[] = []
  const now = Date.now() / 1000
  for (const each of all) {
    const [theirs, ours] = [await isValidForSkopeo(each), (await own(each, now)) === 'valid']
    if (theirs !== ours && (ours || each.stricter === null))
      disagreements.push(`${each.name}: skopeo ${theirs}, here ${ours}`)
  }
  assert.deepEqual(disagreements, [])
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
        const each = { name, keyring, message, now, signers: [], stricter: null }
        assert.equal(await own(each, now), await verdictOfGpg(each), `${name} with ${file} at ${now}`)
      }
    }
  }
})
