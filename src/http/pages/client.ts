import { clientFiles, policyFile } from '../../clients/files.ts'
import { prefixOf, readRegistry } from '../../clients/target.ts'
import { printable } from '../../printable.ts'
import { Refusal } from '../../refusal.ts'
import { file, type Html, html } from './parts.ts'
import { parameter, type Site, type View } from './site.ts'

/** The files that a client of one registry needs, as `lookaside client-config` writes them. */
export const client: View = async (site, request) => {
  const { clients, to } = site
  const registry = parameter(request, 'registry')?.trim()
  const served = clients.registries?.slice(0, maxNamed)
  const body = html`
<p>podman, skopeo, buildah, CRI-O and OpenShift find the signatures of a registry here when a few files say so.</p>
<form action="${to.client()}">
<label for="registry">Registry, as image names have it</label>
<div><input id="registry" name="registry" value="${printable(registry ?? '')}" required maxlength="255" spellcheck="false" autocapitalize="off" autocomplete="off" placeholder="registry.example.com"><button>Show the files</button></div>
</form>
${served?.length && !registry ? html`<p>This server keeps signatures for:</p><ul class="plain">${served.map(({ host }) => html`<li><a href="${to.client(host)}">${host}</a></li>`)}</ul>` : ''}
${registry ? await files(site, registry) : ''}`
  return { title: 'Set up a client', section: 'client', body }
}

const maxNamed = 50

async function files({ clients, origin }: Site, text: string): Promise<Html> {
  const url = origin()
  const target = { ...placeOf(clients.registries, text), url, prefixGuessed: false }
  const { registry } = target
  const ca = url.startsWith('http:') ? null : await clients.ca()
  const { registriesD, certsD } = clientFiles({ ...target, ca }, null)
  const policy = policyFile(registry)
  const at = (path: string) => `/etc/containers/${path}`
  return html`<section aria-labelledby="files"><h2 id="files">For images of ${registry}</h2>
<ol class="steps">
<li><h3>Where signatures are</h3>
<p>Where <code>~/.config/containers/registries.d</code> exists, it is read instead.</p>
${file(at(registriesD.path), registriesD.content)}</li>
${
  certsD &&
  html`<li><h3>The CA of this server</h3>
<p>It is added to those of the system, for the registry too. Compare it with <code>data/tls/ca.crt</code> on the server if you came here over a connection that you do not trust yet.</p>
${file(at(certsD.path), certsD.content)}</li>`
}
<li><h3>What must be signed, and by whom</h3>
<p>Put the public key of the signer at the <code>keyPath</code>. If there is a policy already, add what is below <code>docker</code> to it: the <code>default</code> here leaves everything else as open as it was.</p>
${file(at(policy.path), policy.content)}</li>
</ol>
<p>Then <code>podman pull</code> refuses images of ${registry} that the signer has not signed. <code>lookaside client-config --registry ${registry}</code> writes the same files, and looks for clashes with others.</p>
</section>`
}

/** To the commands it is a fault of the configuration; here, of who asks. */
function placeOf(registries: Site['clients']['registries'], text: string) {
  try {
    const registry = readRegistry(text)
    return { registry, prefix: prefixOf(registries, registry) }
  } catch (error) {
    throw error instanceof Refusal ? new Refusal('bad-request', error.message) : error
  }
}
