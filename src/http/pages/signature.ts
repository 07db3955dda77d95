import { Refusal } from '../../refusal.ts'
import { readSignature } from '../../signature/signature.ts'
import type { StoredSignature } from '../../storage/storage.ts'
import { slotUrl } from '../document.ts'
import { historyTable } from './activity.ts'
import {
  facts,
  fingerprint,
  type Html,
  html,
  imageName,
  more,
  said,
  saidLines,
  signer,
  time,
  verdictBadge,
  verdictSentence,
} from './parts.ts'
import { fromPath, numberParameter, type Site, type View } from './site.ts'

const changesPerPage = 50

/** One signature: its verdict, what it claims, and what became of it. Of one that is gone, what the log says. */
export const signature: View = async (site, request, reader) => {
  const { storage, to } = site
  const text = fromPath(request, 'id')
  const id = /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : 0
  const found = await storage.find(id)
  const before = numberParameter(request, 'before')
  const changes = await storage.changesOf(id, before ?? null, changesPerPage)
  const about = found ?? changes[0]
  // Who may not read it does not learn that it is there.
  if (!about || !reader.mayRead(about.repository))
    throw new Refusal('not-found', 'There is no such signature')
  const { repository, digest } = about
  const oldest = changes.at(-1)?.seq ?? id
  const body = html`
${facts([
  [
    'Verdict',
    found
      ? html`${verdictBadge(found.verdict)} ${verdictSentence(found.verdict)}`
      : html`It is not served any more; its history says why.`,
  ],
  ['Signer', found && signer(found, to)],
  ['Repository', html`<a href="${to.repository(repository)}">${imageName(repository)}</a>`],
  ['Digest', html`<a href="${to.digest(repository, digest)}"><code>${digest}</code></a>`],
])}
${found && served(site, found)}
<section aria-labelledby="history"><h2 id="history">History</h2>
${historyTable(changes, reader)}
${more(changes.length === changesPerPage && oldest > id ? to.signature(id, oldest) : null, 'Older')}</section>`
  return { title: `Signature ${id}`, section: 'repositories', body }
}

function served({ origin, to }: Site, signature: StoredSignature): Html {
  const { id, slot, blob, format, sha256, identity, key, signer: named } = signature
  const { claim } = readSignature(blob, { sigstoreJson: true })
  return html`<section aria-labelledby="claim"><h2 id="claim">What it claims</h2>
${facts([
  ['The image is', imageName(claim.dockerReference)],
  ['The digest is', html`<code>${claim.digest}</code>`],
  ['Made with', claim.creator === undefined ? null : said(claim.creator)],
  ['At, as it says', claim.timestamp === undefined ? null : time(claim.timestamp * 1000)],
])}
<details><summary>The claim as it was signed</summary>${saidLines(JSON.stringify(claim.document, null, 2))}</details></section>
<section aria-labelledby="details"><h2 id="details">The signature itself</h2>
${facts([
  ['Signed', named && time(named.unverifiedCreated * 1000)],
  ['Expires', named && (named.unverifiedExpires === null ? 'never' : time(named.unverifiedExpires * 1000))],
  ['Made by the key', key && fingerprint(key.fingerprint)],
  ['Form', `${format}, ${blob.length} bytes`],
  [
    'Where clients read it',
    html`<a href="${to.slot(signature)}" download>${slotUrl(signature, origin())}</a>`,
  ],
  ['SHA-256', html`<code>${sha256}</code>`],
  ['Identity', html`<code>${identity}</code>`],
])}
<p class="actions"><a href="${to.slot(signature)}" download>Download signature-${slot}</a> <a href="${to.document(id)}">As JSON</a></p></section>`
}
