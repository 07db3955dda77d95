import { type Digest, parseDigest } from '../../reference/digest.ts'
import { type ImageReference, identityOf, parseReference } from '../../reference/reference.ts'
import type { Repository } from '../../reference/repository.ts'
import { maxSlot } from '../../reference/tree-path.ts'
import type { StoredSignature } from '../../storage/storage.ts'
import type { Reader } from '../authenticate.ts'
import { unservedTable } from './activity.ts'
import { gateOutcome } from './gate-answer.ts'
import type { Page } from './layout.ts'
import { facts, type Html, html, imageName, signer, time, verdictBadge } from './parts.ts'
import type { Site } from './site.ts'

/** Each is work for the thread that verifies. What is beyond is a link away. */
const maxGatesAsked = 6

/** Those that are gone are looked at when something is wrong; all of them are in the log. */
const maxUnserved = 20

/** One image: who has signed it, as what, and what each gate says. */
export async function digestPage(
  site: Site,
  repository: Repository,
  text: string,
  reader: Reader,
): Promise<Page> {
  const { storage, gates, to } = site
  const digest = parseDigest(text)
  const { signatures } = await storage.list({ repository, digest, limit: maxSlot })
  const unserved = await storage.unserved(repository, digest, maxUnserved)
  signatures.sort((one, other) => one.slot - other.slot)
  const body = html`
${facts([
  ['Repository', html`<a href="${to.repository(repository)}">${imageName(repository)}</a>`],
  ['Digest', html`<code>${digest}</code>`],
])}
${await gatesOn(site, repository, digest, signatures)}
<section aria-labelledby="signatures"><h2 id="signatures">${signatures.length === 1 ? 'One signature' : `${signatures.length || 'No'} signatures`}</h2>
${signatures.length ? html`<ol class="entries">${signatures.map((each) => html`<li>${signatureEntry(site, each)}</li>`)}</ol>` : html`<p>Nothing is served for this digest here${gates.names.length > 0 && ': no gate that asks for a signature lets it pass'}.</p>`}
<p><a href="${to.allAt(digest)}">Where else this digest is signed</a></p>
</section>
${
  unserved.length > 0 &&
  html`<section aria-labelledby="unserved"><h2 id="unserved">No longer served</h2>
${unservedTable(unserved, reader, to)}</section>`
}`
  return {
    title: `${repository} @ ${digest.slice(0, digest.indexOf(':') + 11)}…`,
    section: 'repositories',
    body,
  }
}

function signatureEntry({ to }: Site, signature: StoredSignature): Html {
  const { id, slot, dockerReference, signer: named, added } = signature
  return html`<h3>${verdictBadge(signature.verdict)} <span>${signer(signature, to)}</span></h3>
${facts([
  ['Signed as', imageName(dockerReference)],
  ['Signed', named && time(named.unverifiedCreated * 1000)],
  ['Added', time(added)],
])}
<p class="actions"><a href="${to.signature(id)}">Claim and history <span class="hidden">of signature ${id}</span></a> <a href="${to.slot(signature)}" download>Download signature-${slot}</a></p>`
}

/** As clients name the image: by each name that a signature gives it, if its signatures are looked for here. */
async function gatesOn(
  { gates, to }: Site,
  repository: Repository,
  digest: Digest,
  signatures: readonly StoredSignature[],
): Promise<Html> {
  const names = [...new Set(signatures.map(({ dockerReference }) => dockerReference))]
  const images = names.map(parseReference).filter((image) => gates.repositoryOf(image) === repository)
  const asked = gates.names
    .flatMap((gate) => images.map((image) => ({ gate, image })))
    .slice(0, maxGatesAsked)
  if (!asked.length) return html``
  const answers = await Promise.all(
    asked.map(({ gate, image }: { gate: string; image: ImageReference }) =>
      gates.ask({ gate, image: identityOf(image, digest), digest }),
    ),
  )
  return html`<section aria-labelledby="gates"><h2 id="gates">What the gates say</h2>
<ul class="entries">${answers.map((answer) => html`<li>${gateOutcome(answer, digest, to)}</li>`)}</ul>
</section>`
}
