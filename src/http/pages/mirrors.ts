import { lagSeconds, type MirrorStatus, mirrorStatuses } from '../../mirror/status.ts'
import { requireRead } from '../authenticate.ts'
import { badge, facts, type Html, html, said, time } from './parts.ts'
import type { View } from './site.ts'

const states: Record<MirrorStatus['state'], Parameters<typeof badge>> = {
  starting: ['open', 'Starting'],
  copying: ['open', 'Copying'],
  current: ['good', 'Current'],
  failing: ['bad', 'Failing'],
  held: ['bad', 'Held: the source seems to have lost most of what it had'],
}

/** How the mirrors fare, whichever process runs them. */
export const mirrors: View = async ({ storage, clock }, _request, reader) => {
  requireRead(reader)
  const found = await mirrorStatuses(storage)
  const body = found.length
    ? html`<ul class="entries">${found.map((status) => html`<li>${mirror(status, clock())}</li>`)}</ul>`
    : html`<p>This server copies no other one. <code>mirrors</code> in its configuration names them.</p>`
  return { title: 'Mirrors', section: 'mirrors', body }
}

function mirror(status: MirrorStatus, now: number): Html {
  const { from, prefix, state, lastContact, lastCurrent, lastError, lagChanges, added, removed } = status
  const refused = Object.entries(status.refused)
  return html`<h2>${badge(...states[state])} <span>${said(from)}</span></h2>
${facts([
  ['Kept below', prefix === '' ? 'the top' : html`<code>${prefix}</code>`],
  ['How old the copy is', lag(lagSeconds(status, now))],
  ['Changes still to come', lagChanges === null ? null : String(lagChanges)],
  ['Last answered', lastContact === null ? 'never' : time(lastContact)],
  ['Last complete', lastCurrent === null ? 'never' : time(lastCurrent)],
  ['Since it was started', `${added} added, ${removed} removed`],
  ['Refused', refused.length ? refused.map(([code, count]) => `${count} as ${code}`).join(', ') : null],
  ['Trouble', lastError === null ? null : said(lastError)],
])}
${
  status.refusals.length > 0 &&
  html`<details><summary>What was refused last</summary><ul class="plain">${status.refusals.map(({ where, code, detail }) => html`<li>${said(where)}: <code>${code}</code>, ${said(detail)}</li>`)}</ul></details>`
}`
}

function lag(seconds: number | null): string {
  if (seconds === null) return 'not known'
  if (seconds === 0) return 'it is complete'
  const [size, unit] = (
    [
      [86_400, 'days'],
      [3600, 'hours'],
      [60, 'minutes'],
    ] as const
  ).find(([size]) => seconds >= 2 * size) ?? [1, 'seconds']
  return `${Math.floor(seconds / size)} ${unit}`
}
