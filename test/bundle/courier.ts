import * as openpgp from 'openpgp'
import { headSignatureName } from '../../src/bundle/head.ts'
import { readBundle } from '../../src/bundle/read.ts'
import { requireSigned, type Signer } from '../../src/bundle/signed.ts'
import { readKeyring } from '../../src/openpgp/keyring.ts'
import { type ArchivedFile, archiveOf, filesOf } from './archives.ts'
import { piecesOf } from './stores.ts'

/** Somebody who signs bundles. */
export interface Courier {
  fingerprint: string
  publicKey: Buffer
  /** The bundle, signed as `export --sign-by` does. */
  sign(bundle: Buffer): Promise<Buffer>
}

export async function newCourier(name: string): Promise<Courier> {
  const { privateKey } = await openpgp.generateKey({
    userIDs: [{ name, email: `${name}@example.com` }],
    format: 'object',
  })
  return {
    fingerprint: privateKey.getFingerprint().toUpperCase(),
    publicKey: Buffer.from(privateKey.toPublic().armor()),
    async sign(bundle) {
      const [head, ...rest] = filesOf(bundle) as [ArchivedFile, ...ArchivedFile[]]
      const message = await openpgp.createMessage({ binary: head.content })
      const content = Buffer.from(
        await openpgp.sign({ message, signingKeys: privateKey, detached: true, format: 'binary' }),
      )
      return archiveOf([head, { name: headSignatureName, content }, ...rest])
    },
  }
}

/** Whose a bundle is, by a keyring of the keys of these. */
export async function signerOf(bundle: Buffer, ...couriers: readonly Courier[]): Promise<Signer> {
  const keyring = await readKeyring(...couriers.map(({ publicKey }) => publicKey))
  return requireSigned(await readBundle(piecesOf(bundle)), keyring, Date.now())
}
