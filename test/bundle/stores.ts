import { type AdmissionRules, type Admit, admission } from '../../src/admission/admit.ts'
import { type BundleImportOptions, type BundleReport, importBundle } from '../../src/bundle/import.ts'
import { readBundle } from '../../src/bundle/read.ts'
import type { Wanted } from '../../src/bundle/select.ts'
import { draftBundle } from '../../src/bundle/write.ts'
import { commandLine } from '../../src/storage/audit.ts'
import { openSqlite } from '../../src/storage/sqlite/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { newBlob } from '../signing.ts'
import { temporaryFolder } from '../temporary.ts'

export interface Store {
  data: string
  storage: Storage
  /** Uploads a blob, or a new one of that claim; returns its number. */
  upload(claim?: { repository?: string; digest?: string } | Uint8Array): Promise<number>
  withdraw(...ids: number[]): Promise<void>
  /** What it exports, uncompressed. */
  bundle(wanted?: Wanted): Promise<Buffer>
  import(bundle: Uint8Array, options?: Partial<BundleImportOptions>): Promise<BundleReport>
  /** What is served, as `repository@digest identity`, sorted. */
  served(): Promise<string[]>
}

export const uploader = { name: 'tester', scopes: [{ action: 'admin' as const }] }

export function newStore(rules: Partial<AdmissionRules> = {}): Store {
  const data = temporaryFolder(() => storage.close())
  const storage = openSqlite({ dataFolder: data })
  const admit: Admit = admission(storage, { digestViews: [], sigstoreJson: false, ...rules })
  return {
    data,
    storage,
    async upload(what = {}) {
      const bytes =
        what instanceof Uint8Array
          ? what
          : newBlob({
              reference: `registry.example.com/${what.repository ?? 'team/app'}:1`,
              ...(what.digest && { digest: what.digest }),
            })
      const upload = {
        bytes,
        principal: uploader,
        actor: 'tester',
        origin: commandLine,
        repository: null,
        digest: null,
      }
      return (await admit(upload)).signature.id
    },
    withdraw: async (...ids) =>
      void (await storage.withdraw(ids, { actor: 'tester', reason: 'test', graceSeconds: 0 })),
    bundle: async (wanted = { scope: 'whole' }) => joined((await draftBundle(storage, wanted)).archive(null)),
    import: async (bundle, options = {}) =>
      importBundle(await readBundle(piecesOf(bundle)), {
        admit,
        storage,
        prefix: null,
        maxBytes: 131072,
        signer: null,
        newSigner: false,
        allowOlder: false,
        acceptRemovals: false,
        graceSeconds: 0,
        ...options,
      }),
    async served() {
      const found: string[] = []
      for (let after: number | null = 0; after !== null; ) {
        const page = await storage.list({ after, limit: 500 })
        for (const { repository, digest, identity } of page.signatures)
          found.push(`${repository}@${digest} ${identity}`)
        after = page.next
      }
      return found.sort()
    },
  }
}

/** As a file or a pipe gives it. */
export async function* piecesOf(octets: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size)
}

export async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}
