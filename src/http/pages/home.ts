import type { Reader } from '../authenticate.ts'
import { changesBefore, changeTable } from './activity.ts'
import { searchForm } from './layout.ts'
import { facts, type Html, html, said } from './parts.ts'
import type { Site, View } from './site.ts'

const latest = 8

/** Above it nobody counts: it would read them all. */
const countedRepositories = 100

/** Where to search, what is here, and what to do first. */
export const home: View = async (site, _request, reader) => {
  const body = html`
<p class="lead">Who has signed an image, and is that enough for production?</p>
${searchForm(site.to)}
${reader.mayRead() ? await whatIsHere(site, reader) : html`<p>${said(reader.name)} may read some repositories: search for an image in one of them.</p>`}
<section aria-labelledby="first"><h2 id="first">What to do first</h2>
<ol class="steps">
<li><a href="${site.to.client()}">Set up a client</a>, so that podman, skopeo, buildah and CRI-O find signatures here.</li>
<li>Sign an image and push what came of it: <code>lookaside sign IMAGE --by KEY --push</code></li>
<li><a href="${site.to.gates()}">Ask a gate</a> whether the image passes, and whose signature it still misses.</li>
</ol></section>`
  return { title: 'Lookaside', section: 'search', body }
}

async function whatIsHere(site: Site, reader: Reader): Promise<Html> {
  const { storage, gates, to } = site
  const [{ seq }, repositories, keyring, changes] = await Promise.all([
    storage.head(),
    storage.repositories({ limit: countedRepositories + 1 }),
    storage.keyring(),
    changesBefore(site, Number.MAX_SAFE_INTEGER, latest),
  ])
  const count =
    repositories.length > countedRepositories
      ? `more than ${countedRepositories}`
      : String(repositories.length)
  const signers = new Set(keyring.map(({ primaryFingerprint }) => primaryFingerprint)).size
  return html`<section aria-labelledby="here"><h2 id="here">What is here</h2>
<div class="counts">${facts([
    ['Repositories', html`<a href="${to.repositories()}">${count}</a>`],
    ['Changes in the log', html`<a href="${to.activity()}">${seq.toLocaleString('en')}</a>`],
    ['Signers known', html`<a href="${to.signers()}">${signers}</a>`],
    ['Gates', html`<a href="${to.gates()}">${gates.names.length}</a>`],
  ])}</div></section>
<section aria-labelledby="latest"><h2 id="latest">Latest activity</h2>
${
  changes.length
    ? html`${changeTable('What has changed, the latest first', changes, reader, to)}<p><a href="${to.activity()}">All activity</a></p>`
    : html`<p>Nothing has been signed here yet.</p>`
}</section>`
}
