import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { atEnd, succeed } from './program.ts'

export interface SigningKey {
  fingerprint: string
  /** The file that holds its public half. */
  publicKey: string
}

export interface Gnupg {
  /** What makes gpg, and programs that use it, work with these keys. */
  env: { GNUPGHOME: string }
  newKey(name: string, algorithm?: 'rsa2048' | 'ed25519'): Promise<SigningKey>
  /** Signs a file as `gpg --sign` does, uncompressed, so that a test can lay hand on claim and signature. */
  sign(key: SigningKey, file: string, output: string): Promise<void>
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
  return {
    env,
    async newKey(name, algorithm = 'rsa2048') {
      const user = `${name} <${name}@example.com>`
      await gpg('--passphrase', '', '--quick-generate-key', user, algorithm, 'sign', 'never')
      const listing = await gpg('--with-colons', '--list-keys', `=${user}`)
      const fingerprint = /^fpr:*([0-9A-F]+):$/m.exec(listing)?.[1] ?? ''
      const publicKey = join(folder, `${name}.asc`)
      await gpg('--armor', '--output', publicKey, '--export', fingerprint)
      return { fingerprint, publicKey }
    },
    async sign({ fingerprint }, file, output) {
      await gpg('--local-user', fingerprint, '-z0', '--output', output, '--sign', file)
    },
  }
}
