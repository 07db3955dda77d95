import { type Digest, isDigest } from '../../reference/digest.ts'
import { formatReference, type ImageReference, parseReference } from '../../reference/reference.ts'
import { isRepository, type Repository } from '../../reference/repository.ts'
import { Refusal } from '../../refusal.ts'
import type { Reader } from '../authenticate.ts'
import { digestTable, notSigned } from './images.ts'
import { searchForm } from './layout.ts'
import { keyIn } from './listings.ts'
import { type Html, html, imageName, keyName, said } from './parts.ts'
import { parameter, type Site, type View } from './site.ts'

const maxShown = 20

/** By whatever somebody has at hand. What can mean one thing only leads there at once. */
export const search: View = async (site, request, reader) => {
  const { to } = site
  const q = (parameter(request, 'q') ?? '').trim()
  if (q === '') return { location: to.home() }
  const hex = /^[0-9a-f]{64}$/.test(q) ? `sha256:${q}` : q
  if (isDigest(hex)) return { location: to.allAt(hex) }
  const key = keyIn(q)
  if (key) return { location: to.key(key) }

  const image = imageIn(q)
  const home = image && site.gates.repositoryOf(image)
  if (image?.digest && home && !(home instanceof Refusal)) return { location: to.digest(home, image.digest) }
  const named = image && home && !(home instanceof Refusal) ? await ofImage(site, image, home, reader) : null
  const digests = reader.mayRead() ? await startingSo(site, q) : []
  const [first] = digests
  const others = reader.mayRead()
    ? [await ofNames(site, q, home ?? null), digestList(site, digests), await ofSigners(site, q)]
    : []
  const found = [named, ...others].filter((each) => each !== null)
  if (first && digests.length === 1 && found.length === 1) return { location: to.allAt(first) }
  const body = html`${searchForm(to, q)}
${found.length ? found : html`<p><strong>Nothing is known here of ${said(q)}.</strong></p><p>Search for an image such as <code>registry.example.com/team/app:1.0</code>, a part of a repository's name, a digest or the beginning of one, the id or fingerprint of a key, or a part of a signer's name.</p>`}
${home instanceof Refusal && html`<p class="aside">${said(home.message)}.</p>`}`
  return { title: 'Search', section: 'search', body, q }
}

function imageIn(q: string): ImageReference | null {
  try {
    return parseReference(q)
  } catch (error) {
    if (error instanceof Refusal) return null
    throw error
  }
}

async function ofImage(
  site: Site,
  image: ImageReference,
  repository: Repository,
  reader: Reader,
): Promise<Html | null> {
  if (!reader.mayRead(repository)) return null
  const { storage, to } = site
  const reference = image.tag === undefined ? undefined : formatReference(image)
  const { digests, next } = await storage.digests({
    repository,
    ...(reference !== undefined && { reference }),
    limit: maxShown,
  })
  if (!digests.length && next === null) return unsigned(site, repository, reference)
  return html`<section aria-labelledby="images"><h2 id="images">${reference === undefined ? html`Images of ${imageName(repository)}` : html`Signed as ${imageName(reference)}`}</h2>
${digests.length ? await digestTable(site, repository, digests) : html`<p>None of what changed lately.</p>`}
${next !== null && html`<p><a href="${to.repository(repository, { reference, before: next })}">Look further back</a></p>`}</section>`
}

/** Of a tag that no signature names, at a repository that is there. */
async function unsigned({ storage }: Site, repository: Repository, reference?: string): Promise<Html | null> {
  if (reference === undefined) return null
  const { digests, next } = await storage.digests({ repository, limit: 1 })
  if (!digests.length && next === null) return null
  return notSigned(reference)
}

/** As pages shorten a digest, and tools do: six digits of it or more. */
const startOfDigest = /^(?:(sha256|sha384|sha512):)?([0-9a-f]{6,})(?:…|\.\.\.)?$/

async function startingSo({ storage }: Site, q: string): Promise<Digest[]> {
  const [written, algorithm = 'sha256', digits] = startOfDigest.exec(q) ?? []
  return written ? storage.digestsFrom(`${algorithm}:${digits}`, maxShown) : []
}

function digestList({ to }: Site, digests: readonly Digest[]): Html | null {
  if (!digests.length) return null
  return html`<section aria-labelledby="digests"><h2 id="digests">Digests</h2>
<ul class="plain">${digests.map((digest) => html`<li><a href="${to.allAt(digest)}"><code>${digest}</code></a></li>`)}</ul></section>`
}

/** Repositories whose names start as that of the image does, or have what was written in them. */
async function ofNames(
  { storage, to }: Site,
  q: string,
  home: Repository | Refusal | null,
): Promise<Html | null> {
  const [written = ''] = q.split(/[:@]/)
  const starts = new Set([
    ...(typeof home === 'string' ? [home] : []),
    ...(isRepository(written) ? [written] : []),
  ])
  const found: Repository[] = []
  for (const start of starts)
    for (const { name } of await storage.repositories({ start, limit: maxShown })) found.push(name)
  const isWhole = found.length >= maxShown
  if (!isWhole && isRepository(written))
    for (const { name } of await storage.repositoriesWith(written, maxShown)) found.push(name)
  if (!found.length) return null
  return html`<section aria-labelledby="names"><h2 id="names">Repositories</h2>
<ul class="plain">${[...new Set(found)].map((name) => html`<li><a href="${to.repository(name)}">${imageName(name)}</a></li>`)}</ul>
${isWhole && html`<p><a href="${to.repositories({ start: [...starts].at(-1) })}">All that start so</a></p>`}</section>`
}

/** As short ids are written. Of the keys that are known here, nobody else's can be meant by one. */
function endsSo({ fingerprint }: { fingerprint: string }, wanted: string): boolean {
  const hex = wanted.replace(/\s+/g, '').replace(/^0x/, '')
  return /^[0-9a-f]{8,}$/.test(hex) && fingerprint.toLowerCase().endsWith(hex)
}

/** Those whose keys this server knows: what a signature itself says of its signer proves nothing. */
async function ofSigners({ storage, to }: Site, q: string): Promise<Html | null> {
  const wanted = q.toLowerCase()
  const found = new Map(
    (await storage.keyring())
      .filter((key) => key.userId?.toLowerCase().includes(wanted) || endsSo(key, wanted))
      .map((key) => [key.primaryFingerprint, key]),
  )
  if (!found.size) return null
  return html`<section aria-labelledby="signers"><h2 id="signers">Signers</h2>
<ul class="plain">${[...found.values()].slice(0, maxShown).map(({ userId, primaryFingerprint }) => html`<li>${keyName({ userId, fingerprint: primaryFingerprint }, to)}</li>`)}</ul></section>`
}
