import { printable } from '../../printable.ts'
import { type Digest, parseDigest } from '../../reference/digest.ts'
import {
  formatReference,
  type ImageReference,
  identityOf,
  parseReference,
} from '../../reference/reference.ts'
import { Refusal } from '../../refusal.ts'
import { requireRead } from '../authenticate.ts'
import { gateRequirements } from './gate-answer.ts'
import { gateDemands } from './gate-demands.ts'
import { digestTable, notSigned } from './images.ts'
import { badge, facts, type Html, html, imageName, more } from './parts.ts'
import { fromPath, parameter, type Site, type View } from './site.ts'

/** How many digests are offered for a tag. */
const offered = 10

/** Each gate, with a form to ask it. */
export const gates: View = async ({ gates, to }) => {
  const body = html`
<p>A gate is a policy that an image must pass. It answers who has signed, and whose signature is still missing.</p>
${
  gates.names.length
    ? gates.names.map(
        (
          name,
        ) => html`<section aria-labelledby="gate-${name}"><h2 id="gate-${name}"><a href="${to.gate(name)}">${name}</a></h2>
${question(to.gate(name), `image-${name}`, '', name)}</section>`,
      )
    : html`<p>This server has none. <code>gates</code> in its configuration names them.</p>`
}`
  return { title: 'Gates', section: 'gates', body }
}

/** One gate, and what it says of an image. */
export const gate: View = async (site, request, reader) => {
  const name = fromPath(request, 'name')
  if (!site.gates.names.includes(name)) throw new Refusal('not-found', 'There is no such gate')
  const image = parameter(request, 'image')
  const body = html`${question(site.to.gate(name), 'image', image ?? '', name)}
${image && (await answer(site, name, image, parameter(request, 'digest'), reader))}
${!image && reader.mayRead() && gateDemands(await site.gates.demands(name), site.to)}`
  return { title: `Gate ${name}`, section: 'gates', body }
}

function question(action: string, id: string, image: string, gate: string): Html {
  return html`<form action="${action}">
<label for="${id}">Image to ask ${gate} about</label>
<div><input id="${id}" name="image" value="${printable(image)}" required maxlength="1024" spellcheck="false" autocapitalize="off" autocomplete="off" placeholder="registry.example.com/team/app:1.0"><button>Ask</button></div>
</form>`
}

async function answer(
  site: Site,
  name: string,
  text: string,
  asked: string | undefined,
  reader: Parameters<View>[2],
): Promise<Html> {
  const named = parseReference(text.trim())
  const repository = site.gates.repositoryOf(named)
  if (repository instanceof Refusal) throw repository
  requireRead(reader, repository)
  const digest = asked === undefined ? named.digest : parseDigest(asked)
  if (named.digest && digest !== named.digest)
    throw new Refusal('bad-request', `The digest is ${named.digest} or ${digest}, not both`)
  if (!digest) return choice(site, name, named, text)
  const found = await site.gates.ask({ gate: name, image: identityOf(named, digest), digest })
  return html`<section aria-labelledby="answer" class="answer"><h2 id="answer">${badge(found.passed ? 'good' : 'bad', found.passed ? 'Passes' : 'Does not pass')} <span>${imageName(found.image)}</span></h2>
${facts([
  ['Digest', html`<a href="${site.to.digest(repository, digest)}"><code>${digest}</code></a>`],
  ['Part of the policy', html`<code>${imageName(found.scope)}</code>`],
  ['Signatures looked at', String(found.signatures)],
])}
${gateRequirements(found, site.to)}</section>`
}

/** Only the registry knows which digest a tag is now; signatures say which it was. */
async function choice(site: Site, gate: string, named: ImageReference, text: string): Promise<Html> {
  const { storage, gates, to } = site
  const repository = gates.repositoryOf(named)
  if (repository instanceof Refusal) throw repository
  const reference = formatReference(named)
  const { digests, next } = await storage.digests({
    repository,
    ...(named.tag !== undefined && { reference }),
    limit: offered,
  })
  if (!digests.length)
    return html`${notSigned(reference)}<p>So it cannot pass. If the image has other names, <a href="${to.search(text)}">search for it</a>, or give its digest: <code>NAME:TAG@DIGEST</code>.</p>`
  return html`<section aria-labelledby="which"><h2 id="which">Which digest?</h2>
<p>A tag moves, and only the registry knows where it is. These are signed as ${imageName(reference)}:</p>
<ul class="plain">${digests.map(({ digest }: { digest: Digest }) => html`<li><a href="${to.gate(gate, { image: reference, digest })}">Ask about <code>${digest}</code></a></li>`)}</ul>
${await digestTable(site, repository, digests)}
${more(next === null ? null : to.repository(repository, { reference, before: next }), 'Older')}</section>`
}
