import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { claimOf } from '../signing.ts'
import { atEnd, succeed } from './program.ts'

export interface SigningKey {
  fingerprint: string
  /** The file that holds its public half. */
  publicKey: string
}

export interface Gnupg {
  /** What makes gpg, and programs that use it, work with these keys. */
  env: { GNUPGHOME: string }
  newKey(name: string, algorithm?: 'rsa2048' | 'ed25519', time?: string): Promise<SigningKey>
  /** Signs a file as `gpg --sign` does, uncompressed, so that a test can lay hand on claim and signature. */
  sign(key: SigningKey, file: string, output: string, time?: string): Promise<void>
  /** A claim about an image, signed likewise. */
  signClaim(key: SigningKey, claim: { reference: string; digest: string }): Promise<Uint8Array>
  /** Revokes a key; the file with its public half shows it. */
  revoke(key: SigningKey): Promise<void>
}

/** `time`: such as 20200101T000000; the clock of gpg stands there. */
function at(time: string | undefined): string[] {
  return time === undefined ? [] : ['--faked-system-time', `${time}!`]
}

/** An empty keyring; keys have no passphrase. */
export function newGnupg(folder: string): Gnupg {
  const home = join(folder, 'gnupg')
  mkdirSync(home)
  chmodSync(home, 0o700)
  const env = { GNUPGHOME: home }
  const gpg = (...args: string[]) => succeed('gpg', ['--batch', '--quiet', '--no-tty', ...args], { env })
  // The agent that gpg leaves behind.
  atEnd(() => succeed('gpgconf', ['--kill', 'all'], { env }))
  const sign: Gnupg['sign'] = async ({ fingerprint }, file, output, time) => {
    await gpg(...at(time), '--local-user', fingerprint, '-z0', '--output', output, '--sign', file)
  }
  return {
    env,
    sign,
    async signClaim(key, claim) {
      const file = join(mkdtempSync(join(home, 'claim-')), 'claim')
      writeFileSync(file, claimOf(claim))
      await sign(key, file, `${file}.gpg`)
      return readFileSync(`${file}.gpg`)
    },
    async newKey(name, algorithm = 'rsa2048', time) {
      const user = `${name} <${name}@example.com>`
      await gpg(...at(time), '--passphrase', '', '--quick-generate-key', user, algorithm, 'sign', 'never')
      const listing = await gpg('--with-colons', '--list-keys', `=${user}`)
      const fingerprint = /^fpr:*([0-9A-F]+):$/m.exec(listing)?.[1] ?? ''
      const publicKey = join(folder, `${name}.asc`)
      await gpg('--armor', '--output', publicKey, '--export', fingerprint)
      return { fingerprint, publicKey }
    },
    async revoke({ fingerprint, publicKey }) {
      const revocation = readFileSync(join(home, 'openpgp-revocs.d', `${fingerprint}.rev`), 'utf8')
      const file = join(folder, `${fingerprint}.rev`)
      // gpg puts a colon before the armor, so that nobody imports it by accident.
      writeFileSync(file, revocation.replace(':-----BEGIN', '-----BEGIN'))
      await gpg('--import', file)
      await gpg('--yes', '--armor', '--output', publicKey, '--export', fingerprint)
    },
  }
}
