import { stateAt } from '../../openpgp/key-state.ts'
import { parseDigest } from '../../reference/digest.ts'
import { Refusal } from '../../refusal.ts'
import type { Query, StoredSignature } from '../../storage/storage.ts'
import type { KeyringKey } from '../../storage/verdicts.ts'
import { requireRead } from '../authenticate.ts'
import {
  facts,
  fingerprint,
  type Html,
  html,
  imageName,
  keyBadge,
  more,
  said,
  shortDigest,
  signer,
  table,
  time,
  verdictBadge,
} from './parts.ts'
import { fromPath, numberParameter, type Site, type View } from './site.ts'

const perPage = 50

/** Blobs of a page, in bytes: they are read with it. */
const maxBytes = 2 * 1024 * 1024

/** What a key has signed, by its id or fingerprint. */
export const keyPage: View = async (site, request, reader) => {
  requireRead(reader)
  const { storage, clock, to } = site
  const key = keyIn(fromPath(request, 'key'))
  if (key === null) throw new Refusal('not-found', 'There is no such key: it takes an id or a fingerprint')
  const keyring = await storage.keyring()
  const known = keyring.filter(({ keyId, fingerprint }) => fingerprint === key || keyId === key)
  const siblings = keyring.filter((each) => isSibling(each, known, key))
  const { signatures, next } = await storage.list(queryOf(request, { key }))
  const body = html`
${facts([
  ['Key', fingerprint(key)],
  [
    'Whose',
    known.length
      ? html`<ul class="plain">${known.map(({ userId, timeline }) => html`<li>${userId === null ? 'a key without a user id' : said(userId)} ${keyBadge(stateAt(timeline, clock() / 1000))}</li>`)}</ul>`
      : 'This server does not know the key: what names it may be by anybody.',
  ],
  [
    'Of one certificate with',
    siblings.length
      ? html`<ul class="plain">${siblings.map((each) => html`<li><a href="${to.key(each.fingerprint)}">${fingerprint(each.fingerprint)}</a></li>`)}</ul>`
      : null,
  ],
])}
${signatureTable(site, 'Signatures that name this key, the oldest first', signatures)}
${more(next === null ? null : to.key(key, next), 'Next')}`
  return { title: 'What a key has signed', section: 'search', body, q: key }
}

/** A digest, at whatever repositories it is signed. */
export const everywhere: View = async (site, request, reader) => {
  requireRead(reader)
  const digest = parseDigest(fromPath(request, 'digest'))
  const { signatures, next } = await site.storage.list(queryOf(request, { digest }))
  const body = html`
${facts([['Digest', html`<code>${digest}</code>`]])}
${signatureTable(site, 'Signatures of this digest at any repository, the oldest first', signatures)}
${more(next === null ? null : site.to.allAt(digest, next), 'Next')}`
  return { title: 'Signatures of a digest', section: 'search', body, q: digest }
}

/** A key id or fingerprint as people write it, with spaces or `0x`; null where it is none. */
export function keyIn(text: string): string | null {
  const key = text.replace(/\s+/g, '').replace(/^0x/i, '').toUpperCase()
  return /^(?:[0-9A-F]{16}|[0-9A-F]{40}|[0-9A-F]{64})$/.test(key) ? key : null
}

function queryOf(request: Parameters<View>[1], query: Pick<Query, 'key' | 'digest'>): Query {
  return { ...query, after: numberParameter(request, 'after') ?? 0, limit: perPage, maxBytes }
}

/** Also the keys of a certificate that is named by its primary key, which may not sign itself. */
function isSibling(
  { primaryFingerprint, fingerprint }: KeyringKey,
  known: readonly KeyringKey[],
  key: string,
): boolean {
  if (known.some((each) => each.fingerprint === fingerprint)) return false
  return primaryFingerprint === key || known.some((each) => each.primaryFingerprint === primaryFingerprint)
}

function signatureTable({ to }: Site, caption: string, signatures: readonly StoredSignature[]): Html {
  if (!signatures.length) return html`<p>There is none.</p>`
  return table(
    caption,
    ['Image', 'Signed as', 'Signature', 'Added'],
    signatures.map((each) => [
      html`<a href="${to.digest(each.repository, each.digest)}">${imageName(each.repository)} <span class="part">${shortDigest(each.digest)}</span></a>`,
      imageName(each.dockerReference),
      html`<a href="${to.signature(each.id)}">${each.id}</a> ${verdictBadge(each.verdict)} ${signer(each, to)}`,
      time(each.added),
    ]),
  )
}
