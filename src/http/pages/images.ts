import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Repository } from '../../reference/repository.ts'
import type { CatalogDigest } from '../../storage/catalog.ts'
import { type Html, html, imageName, shortDigest, signer, table, time, verdictBadge } from './parts.ts'
import type { Site } from './site.ts'

/** Of how many signatures a line about an image tells. */
const told = 3
const maxBytes = 128 * 1024

/** Digests at a repository, each with who has signed it and as what. */
export async function digestTable(
  { storage, to }: Site,
  repository: Repository,
  digests: readonly CatalogDigest[],
): Promise<Html> {
  const rows: (Html | string)[][] = []
  for (const { digest, changed, signatures: count } of digests) {
    // Readers of slots must not wait for a page.
    await nextTurn()
    const { signatures } = await storage.list({ repository, digest, limit: told, maxBytes })
    const names = [...new Set(signatures.map(({ dockerReference }) => dockerReference))]
    rows.push([
      html`<a href="${to.digest(repository, digest)}">${shortDigest(digest)}</a>`,
      names.length ? lines(names.map(imageName)) : '–',
      count === 0
        ? html`<span class="aside">no signature any more</span>`
        : lines([
            ...signatures.map((each) => html`${verdictBadge(each.verdict)} ${signer(each, to)}`),
            ...(count > signatures.length ? [`and ${count - signatures.length} more`] : []),
          ]),
      time(changed * 1000),
    ])
  }
  return table(
    'Images by digest, what changed last first',
    ['Digest', 'Signed as', 'Signatures', 'Changed here'],
    rows,
  )
}

/** Of an image that no signature names. Whoever left the registry out may not know which one that means. */
export function notSigned(reference: string): Html {
  const implied = reference.startsWith('docker.io/') && ' A name without a registry means docker.io.'
  return html`<p><strong>Nothing here is signed as ${imageName(reference)}.</strong>${implied}</p>`
}

function lines(each: (Html | string)[]): Html {
  return html`<ul class="plain">${each.map((line) => html`<li>${line}</li>`)}</ul>`
}
