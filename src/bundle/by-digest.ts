import type { Digest } from '../reference/digest.ts'
import type { Location } from '../reference/tree-path.ts'
import type { Storage, StoredSignature } from '../storage/storage.ts'
import type { Subject } from './select.ts'

/** Some digests at repositories, or null: all that there are. */
export type Subjects = readonly Subject[] | null

type Served = Pick<Storage, 'locations' | 'list'>

const page = 500

/** Of no subjects every location, digest views too; else those that are named, each once. */
export async function* locationsOf(
  storage: Pick<Served, 'locations'>,
  subjects: Subjects,
): AsyncGenerator<Location> {
  if (subjects) {
    const digests = Map.groupBy(subjects, ({ repository }) => repository)
    for (const [name, same] of digests)
      for (const digest of new Set(same.map((subject) => subject.digest)))
        yield { kind: 'repository', name, digest }
    return
  }
  for (let after = 0; ; ) {
    const found = await storage.locations(after, page)
    for (const { location } of found) yield location
    const last = found.at(-1)
    if (!last) return
    after = last.id
  }
}

/** What those who know an image by its digest alone are to have of it. */
export interface SignaturesOfDigest {
  digest: Digest
  /** Each once, whatever repositories have it; those that are valid by the keys of this server come first. */
  signatures: StoredSignature[]
  /** In the sigstore format, which nobody reads by digest. */
  leftOut: number
}

/** Each digest once. */
export async function* byDigest(storage: Served, subjects: Subjects): AsyncGenerator<SignaturesOfDigest> {
  const wanted = subjects && new Set(subjects.map(({ repository, digest }) => `${repository}@${digest}`))
  for await (const { kind, name, digest } of locationsOf(storage, subjects)) {
    if (kind !== 'repository') continue
    const all = (await listOf(storage, digest)).filter(
      ({ repository }) => !wanted || wanted.has(`${repository}@${digest}`),
    )
    // A digest that several repositories have is told of at the one that had it first.
    if (all[0]?.repository !== name) continue
    const readable = all.filter(({ format }) => format === 'simple-signing')
    yield { digest, signatures: inOrder(readable), leftOut: all.length - readable.length }
  }
}

async function listOf({ list }: Served, digest: Digest): Promise<StoredSignature[]> {
  const signatures: StoredSignature[] = []
  for (let after: number | null = 0; after !== null; ) {
    const found = await list({ digest, after, limit: page })
    signatures.push(...found.signatures)
    after = found.next
  }
  return signatures
}

function inOrder(signatures: readonly StoredSignature[]): StoredSignature[] {
  const isValid = ({ verdict }: StoredSignature) => Number(verdict === 'valid')
  const sorted = signatures.toSorted((one, other) => isValid(other) - isValid(one))
  return [...Map.groupBy(sorted, ({ identity }) => identity).values()].flatMap(([first]) => first ?? [])
}
