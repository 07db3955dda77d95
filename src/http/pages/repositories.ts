import { printable } from '../../printable.ts'
import { formatReference, parseReference } from '../../reference/reference.ts'
import { parseRepository, type Repository } from '../../reference/repository.ts'
import { Refusal } from '../../refusal.ts'
import { requireRead } from '../authenticate.ts'
import { digestPage } from './digest.ts'
import { digestTable } from './images.ts'
import { html, imageName, more, table, time } from './parts.ts'
import { fromPath, numberParameter, parameter, type View } from './site.ts'

const perPage = 100
const digestsPerPage = 25

/** By name; `start` asks for those whose name starts so. */
export const repositories: View = async ({ storage, to }, request, reader) => {
  requireRead(reader)
  const start = parameter(request, 'start')
  const after = parameter(request, 'after')
  const found = await storage.repositories({
    ...(start !== undefined && { start }),
    ...(after !== undefined && { after: parseRepository(after) }),
    limit: perPage + 1,
  })
  const shown = found.slice(0, perPage)
  const last = shown.at(-1)?.name
  const body = html`
<form action="${to.repositories()}">
<label for="start">Names that start with</label>
<div><input id="start" name="start" value="${printable(start ?? '')}" maxlength="255" spellcheck="false" autocapitalize="off" autocomplete="off"><button>Show</button></div>
</form>
${
  shown.length
    ? table(
        'Repositories that have, or had, a signature',
        ['Repository', 'Last change'],
        shown.map(({ name, changed }) => [
          html`<a href="${to.repository(name)}">${imageName(name)}</a>`,
          time(changed * 1000),
        ]),
      )
    : html`<p>There is none${start || after ? ' of that name' : ' yet'}.</p>`
}
${more(found.length > perPage && last ? to.repositories({ start, after: last }) : null, 'Next')}`
  return { title: 'Repositories', section: 'repositories', body }
}

/** One repository, or one digest of it: `team/app`, `team/app@sha256:…`. */
export const repository: View = async (site, request, reader) => {
  const [name = '', digest, ...rest] = fromPath(request, '*').split('@')
  if (rest.length) throw new Refusal('not-found', 'There is nothing here')
  const home = parseRepository(name)
  requireRead(reader, home)
  if (digest !== undefined) return digestPage(site, home, digest, reader)
  const { storage, to } = site
  const reference = referenceOf(parameter(request, 'reference'))
  const before = numberParameter(request, 'before')
  const { digests, next } = await storage.digests({
    repository: home,
    ...(reference !== undefined && { reference }),
    ...(before !== undefined && { before }),
    limit: digestsPerPage,
  })
  const body = html`
${reference !== undefined && html`<p>Those that are signed as <strong>${imageName(reference)}</strong>. <a href="${to.repository(home)}">Show all</a></p>`}
${digests.length ? await digestTable(site, home, digests) : html`<p>${nothing(home, reference, next)}</p>`}
${more(next === null ? null : to.repository(home, { reference, before: next }), digests.length ? 'Older' : 'Look further back')}`
  return { title: home, section: 'repositories', body }
}

function nothing(home: Repository, reference: string | undefined, next: number | null): string {
  if (next !== null) return 'None of what changed lately.'
  return `There is no signature at ${home}${reference === undefined ? '' : ' that says so'}.`
}

function referenceOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : formatReference(parseReference(text))
}
