import { html } from 'hono/html'
import type { KeyState } from '../../openpgp/key-state.ts'
import type { VerdictName } from '../../openpgp/verdict.ts'
import type { KeyName } from '../../policy/report.ts'
import { printable } from '../../printable.ts'
import type { Digest } from '../../reference/digest.ts'
import type { StoredSignature } from '../../storage/storage.ts'
import type { Links } from './links.ts'

/** Markup that is escaped where it was made. Whatever else gets into a template is escaped there. */
export type Html = ReturnType<typeof html>

export { html }

/**
 * What somebody else wrote, such as a claim, a user id, the reason of a withdrawal: on its own in the order of letters
 * around it, with characters spelled out that could hide or reorder others.
 */
export function said(text: string): Html {
  return html`<bdi>${printable(text)}</bdi>`
}

/** The name of an image or repository. */
export function imageName(text: string): Html {
  return html`<bdi>${breakable(printable(text))}</bdi>`
}

/** Where a line has no room for the names of images in it, they are broken where their parts end. */
export function breakable(text: string): Html {
  return html`${text.split(/(?<=\/)|(?=@)/).map((part, at) => html`${at > 0 && html`<wbr>`}${part}`)}`
}

/** What others wrote over several lines. */
export function saidLines(text: string): Html {
  return html`<pre tabindex="0"><code dir="ltr">${text.split('\n').map(printable).join('\n')}</code></pre>`
}

/** To be copied as it is: it holds nothing that others wrote. */
export function file(path: string, content: string): Html {
  return html`<figure><figcaption><code>${path}</code></figcaption><pre tabindex="0"><code>${content}</code></pre></figure>`
}

/** `milliseconds` since 1970. */
export function time(milliseconds: number): Html {
  const date = new Date(milliseconds)
  // A claim may say any number.
  if (Number.isNaN(date.getTime())) return html`at no time that a calendar has`
  const text = date.toISOString()
  return html`<time datetime="${text}">${text.slice(0, -8).replace('T', ' ')} UTC</time>`
}

/** Enough of it to tell it from others on a page; all of it is on the page that it leads to. */
export function shortDigest(digest: Digest): Html {
  const start = digest.indexOf(':') + 1
  return html`<code title="${digest}">${digest.slice(0, start + 16)}…</code>`
}

/** In groups of four, as gpg shows it and people compare it. */
export function fingerprint(text: string): Html {
  return html`<code class="fingerprint">${(text.match(/.{1,4}/g) ?? []).join(' ')}</code>`
}

/** Whose key it is, by the keyring, with a link to what it has signed. */
export function keyName({ userId, fingerprint: text }: KeyName, to: Links): Html {
  return html`${userId === null ? 'a key without a user id' : html`<strong>${said(userId)}</strong>`} <a class="quiet" href="${to.key(text)}">${fingerprint(text)}</a>`
}

const verdictWords: Record<VerdictName, [kind: 'good' | 'bad' | 'open', word: string, sentence: string]> = {
  valid: ['good', 'Valid', 'A key that this server knows made it, and nothing speaks against it.'],
  'unknown-key': ['open', 'Unknown key', 'No key that this server knows made it, so nobody vouches for it.'],
  bad: ['bad', 'Bad', 'It is not what the key signed, or it is dated ahead.'],
  unsupported: ['bad', 'Not supported', 'It uses what this server does not verify.'],
  weak: ['bad', 'Too weak', 'Its algorithm or key is too weak to prove anything.'],
  revoked: ['bad', 'Key revoked', 'The key is revoked: nothing it signed counts any more.'],
  'not-signing-key': ['bad', 'Not a signing key', 'The key is not one for signatures of documents.'],
  'key-expired': ['bad', 'Key expired', 'The key has expired, be it after it signed.'],
  expired: ['bad', 'Expired', 'The signature itself has expired.'],
}

const marks = { good: '✓', bad: '✗', open: '?' }

export function badge(kind: keyof typeof marks, word: string): Html {
  return html`<span class="badge ${kind}"><span aria-hidden="true">${marks[kind]}</span> ${word}</span>`
}

export function verdictBadge(verdict: VerdictName): Html {
  const [kind, word] = verdictWords[verdict]
  return badge(kind, word)
}

export function keyBadge(state: KeyState): Html {
  if (state === 'good') return badge('good', 'Good key')
  return state === 'not-made-yet' ? badge('bad', 'Key dated ahead') : verdictBadge(state)
}

export function verdictSentence(verdict: VerdictName): string {
  return verdictWords[verdict][2]
}

/** By the keys of this server; else by what the signature says of itself. */
export function signer({ key, signer: named }: Pick<StoredSignature, 'key' | 'signer'>, to: Links): Html {
  if (key) return keyName({ userId: key.userId, fingerprint: key.primaryFingerprint }, to)
  if (!named) return html`it names no key`
  const text = named.unverifiedFingerprint ?? named.unverifiedKeyId
  return html`it names the key <a class="quiet" href="${to.key(text)}">${fingerprint(text)}</a>, which is not known here: anybody can write that`
}

/**
 * Rows that become blocks on a narrow screen. The roles say again what they are: what is shown as a block is else no
 * table to a screen reader.
 */
export function table(caption: string, headings: string[], rows: (Html | string)[][]): Html {
  return html`<table role="table">
<caption class="aside">${caption}</caption>
<thead role="rowgroup"><tr role="row">${headings.map((heading) => html`<th role="columnheader" scope="col">${heading}</th>`)}</tr></thead>
<tbody role="rowgroup">${rows.map(
    (cells) =>
      html`<tr role="row">${cells.map((cell, at) => html`<td role="cell" data-label="${headings[at] ?? ''}"><div>${cell}</div></td>`)}</tr>
`,
  )}</tbody>
</table>`
}

/** Names and what they are. */
export function facts(entries: [name: string, value: Html | string | number | null][]): Html {
  return html`<dl>${entries
    .filter(([, value]) => value !== null)
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

/** To the page that follows, if one does. */
export function more(href: string | null, text: string): Html {
  return html`${href !== null && html`<nav class="pages" aria-label="Pages"><a rel="next" href="${href}">${text}</a></nav>`}`
}
