import { printable } from '../../printable.ts'
import type { Links } from './links.ts'
import { breakable, type Html, html } from './parts.ts'

export type Section = 'search' | 'repositories' | 'activity' | 'gates' | 'mirrors' | 'client'

export interface Page {
  /** Plain text, which others may have written: it is made printable by who gives it. */
  title: string
  section: Section | null
  body: Html
  /** What was searched for. */
  q?: string
}

const sections = (to: Links): [Section, string, string][] => [
  ['search', 'Search', to.home()],
  ['repositories', 'Repositories', to.repositories()],
  ['activity', 'Activity', to.activity()],
  ['gates', 'Gates', to.gates()],
  ['mirrors', 'Mirrors', to.mirrors()],
  ['client', 'Set up a client', to.client()],
]

export function searchForm(to: Links, q = ''): Html {
  return html`<search>
<form action="${to.search()}">
<label for="q">Image, digest, key or signer</label>
<div><input type="search" id="q" name="q" value="${printable(q)}" maxlength="512" required spellcheck="false" autocapitalize="off" autocomplete="off" placeholder="registry.example.com/name:tag"><button>Search</button></div>
</form>
</search>`
}

/** The same frame around every page: skip link, sections, one heading, and what it is about. */
export function layOut({ title, section, body, q }: Page, to: Links): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${section === 'search' && q === undefined ? title : `${title} · Lookaside`}</title>
<link rel="icon" type="image/svg+xml" href="${to.icon()}">
<link rel="stylesheet" href="${to.style()}">
</head>
<body>
<a class="skip" href="#main">Skip to what this page is about</a>
<header>
<a class="name" href="${to.home()}">Lookaside</a>
<nav aria-label="Sections"><ul>${sections(to).map(
    ([name, text, href]) =>
      html`<li><a href="${href}"${name === section ? html` aria-current="${q === undefined ? 'page' : 'true'}"` : ''}>${text}</a></li>`,
  )}</ul></nav>
</header>
<main id="main" tabindex="-1">
<h1>${breakable(title)}</h1>
${body}
</main>
<footer>
<p>Signatures of container images. What a claim says, and who it says it is by, was written by whoever made it; a verdict is what the keys that this server knows say of it, as of now.</p>
</footer>
</body>
</html>
`
}
