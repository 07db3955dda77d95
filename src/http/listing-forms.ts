import { createHash } from 'node:crypto'
import type { FolderEntry } from '../storage/storage.ts'
import { treePrefix } from './reads.ts'

/** How a listing is written: what comes first, each entry with something between two, and what comes last. */
export interface ListingForm {
  name: 'html' | 'json'
  type: string
  opening: string
  entry(entry: FolderEntry): string
  between: string
  closing: string
}

const style = `:root{color-scheme:light dark}
body{margin:0;padding:1.5rem 1.25rem;font:1rem/1.6 system-ui,sans-serif}
h1{margin:0 0 1rem;font-size:1.1rem;overflow-wrap:anywhere}
pre{margin:0;font:.875rem/1.7 ui-monospace,monospace;overflow-x:auto}
a{text-decoration:none}
a:hover{text-decoration:underline}`

/** Nothing but that style: the page loads, runs and sends nothing. */
export const listingSecurityPolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`

/**
 * Like the index pages of nginx, which mirror tools read: in a `pre`, a link a line, with time and size behind it. All
 * links are to what is in the folder, but for the first, which leads out of it.
 */
export function htmlListing(folder: string): ListingForm {
  const title = escapeHtml(`Index of /${treePrefix}${folder && `${folder}/`}`)
  return {
    name: 'html',
    type: 'text/html; charset=utf-8',
    opening: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<h1>${title}</h1>
<pre>
${folder && '<a href="../">../</a>\n'}`,
    entry(entry) {
      const name = entry.kind === 'folder' ? `${entry.name}/` : entry.name
      const size = entry.kind === 'folder' ? '-' : String(entry.size)
      const gap = ' '.repeat(Math.max(nameColumn - name.length, 2))
      // Names of the tree have no character that a relative URL would read as something else.
      const link = escapeHtml(name)
      return `<a href="${link}">${link}</a>${gap}${timeText(entry.modified)}${size.padStart(8)}\n`
    },
    between: '',
    closing: '</pre>\n</body>\n</html>\n',
  }
}

/** Short names stand in columns; those with a digest in them are longer, but all of a repository are of one length. */
const nameColumn = 28

/** The same as one JSON document. */
export function jsonListing(folder: string): ListingForm {
  return {
    name: 'json',
    type: 'application/json; charset=utf-8',
    opening: `{"path":${JSON.stringify(folder)},"entries":[`,
    entry({ name, kind, modified, ...content }) {
      return JSON.stringify({ name, kind, modified: new Date(modified * 1000).toISOString(), ...content })
    },
    between: ',',
    closing: ']}',
  }
}

/** `25-Nov-2025 21:24`, UTC. */
function timeText(seconds: number): string {
  const [, day, month, year, time] = new Date(seconds * 1000).toUTCString().split(' ') as string[]
  return `${day}-${month}-${year} ${time?.slice(0, 5)}`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
