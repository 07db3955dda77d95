import type { Change, ChangeKind } from '../../storage/storage.ts'
import { type Reader, requireRead } from '../authenticate.ts'
import type { Links } from './links.ts'
import { type Html, html, imageName, more, said, shortDigest, table, time } from './parts.ts'
import { numberParameter, type Site, type View } from './site.ts'

const perPage = 50

const kinds: Record<ChangeKind, string> = {
  added: 'added',
  withdrawn: 'withdrawn',
  superseded: 'superseded by a later one',
  removed: 'removed: its source has it no more',
  reinstated: 'reinstated',
}

/** The log, the latest first. */
export const activity: View = async (site, request, reader) => {
  requireRead(reader)
  const before = numberParameter(request, 'before')
  const changes = await changesBefore(site, before ?? Number.MAX_SAFE_INTEGER, perPage)
  const oldest = changes.at(-1)?.seq ?? 1
  const body = html`
<p>Every change is one entry of the log, which nobody alters afterwards.</p>
${changes.length ? changeTable('What has changed, the latest first', changes, reader, site.to) : html`<p>${before === undefined ? 'Nothing has happened here yet.' : 'Nothing is older.'}</p>`}
${more(oldest > 1 ? site.to.activity(oldest) : null, 'Older')}`
  return { title: 'Activity', section: 'activity', body }
}

/** The log is numbered without gaps: those before a number are those after another. */
export async function changesBefore(
  { storage }: Pick<Site, 'storage'>,
  before: number,
  limit: number,
): Promise<Change[]> {
  const { seq } = await storage.head()
  const last = Math.min(before - 1, seq)
  const first = Math.max(last - limit, 0)
  return last > first ? (await storage.changesAfter(first, last - first)).reverse() : []
}

export function changeTable(caption: string, changes: readonly Change[], reader: Reader, to: Links): Html {
  return table(
    caption,
    ['When', 'Signature', 'Image', ...actorHeadings(reader)],
    changes.map((change) => {
      const { time: when, repository, digest } = change
      return [
        time(when),
        signatureCell(change, to),
        html`<a href="${to.digest(repository, digest)}">${imageName(repository)} <span class="part">${shortDigest(digest)}</span></a>`,
        ...actorCells(change, reader),
      ]
    }),
  )
}

/** The same of one signature. */
export function historyTable(changes: readonly Change[], reader: Reader): Html {
  return table(
    'What became of this signature, the latest first',
    ['When', 'What', 'Change', ...actorHeadings(reader)],
    changes.map((change) => [
      time(change.time),
      kinds[change.kind],
      String(change.seq),
      ...actorCells(change, reader),
    ]),
  )
}

/** The last change of each of some signatures. */
export function unservedTable(changes: readonly Change[], reader: Reader, to: Links): Html {
  return table(
    'What became of the signatures that clients do not get any more, the latest first',
    ['When', 'Signature', ...actorHeadings(reader)],
    changes.map((change) => [time(change.time), signatureCell(change, to), ...actorCells(change, reader)]),
  )
}

function signatureCell({ signature, kind }: Change, to: Links): Html {
  return html`<a href="${to.signature(signature)}">${signature}</a> ${kinds[kind]}`
}

function actorHeadings({ mayReadActors }: Reader): string[] {
  return mayReadActors ? ['Change by'] : []
}

function actorCells({ actor, reason }: Change, { mayReadActors }: Reader): Html[] {
  if (!mayReadActors) return []
  return [html`${said(actor)}${reason !== null && html`: <q>${said(reason)}</q>`}`]
}
