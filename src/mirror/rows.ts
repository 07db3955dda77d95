import { Tokenizer } from 'htmlparser2'

export interface RowReader<T> {
  /** What an `href` leads to, its entities decoded; null: it is of no use. */
  read(href: string): T | null
  /** One that is of use, with the text behind it, up to the next one or the end of its row: time and size of a file. */
  found(to: T, after: string): void
}

/** A name of 255 characters, each of them escaped, below the path of its folder. */
const maxHref = 4096

/** Servers pad it; one that says more has no more to say. */
const maxAfter = 300

/** Of a page, so many octets are text at once, or twice as many. */
const pieceSize = 64 * 1024

const rowEnds = new Set(['tr', 'li', 'pre', 'ul', 'ol', 'table'])

/**
 * Reads the rows of a listing in HTML, each of which has an anchor. Time is linear in the page, whatever it is, and
 * memory does not grow with it: only tokens are read, as a parser that keeps the open elements takes for ever with a page
 * of nothing but opening tags.
 */
export function readRows<T>(page: Buffer, { read, found }: RowReader<T>): void {
  /** A token may begin in the piece before; one that is longer than that is none of a listing. */
  let text = ''
  let textStart = 0
  let row: { to: T; after: string } | null = null
  let isInside = false
  let tag = ''
  let attribute = ''
  let href = ''

  const slice = (start: number, end: number) => text.slice(Math.max(start - textStart, 0), end - textStart)
  const nameOf = (start: number, end: number) => (end - start > 8 ? '' : slice(start, end).toLowerCase())
  const addToHref = (more: string) => {
    if (tag === 'a' && attribute === 'href' && href.length <= maxHref) href += more
  }
  const addAfter = (more: string) => {
    if (row && !isInside && row.after.length < maxAfter) row.after += more
  }
  const endRow = () => {
    if (row) found(row.to, row.after)
    row = null
  }
  const opened = () => {
    if (tag !== 'a') return
    endRow()
    const to = href.length > maxHref ? null : read(href)
    row = to === null ? null : { to, after: '' }
    isInside = true
  }
  const nothing = () => {}

  const tokenizer = new Tokenizer(
    {},
    {
      onopentagname(start, end) {
        tag = nameOf(start, end)
        attribute = ''
        href = ''
      },
      onattribname(start, end) {
        // Of two attributes of a name, the first counts.
        attribute = href === '' ? nameOf(start, end) : ''
      },
      onattribdata(start, end) {
        addToHref(slice(start, Math.min(end, start + maxHref + 1)))
      },
      onattribentity(codepoint) {
        addToHref(String.fromCodePoint(codepoint))
      },
      onattribend: nothing,
      onopentagend: opened,
      onselfclosingtag: opened,
      onclosetag(start, end) {
        const closed = nameOf(start, end)
        if (closed === 'a') isInside = false
        else if (rowEnds.has(closed)) endRow()
        // The cells of a table have nothing else between them.
        addAfter(' ')
      },
      ontext(start, end) {
        addAfter(slice(start, Math.min(end, start + maxAfter)))
      },
      ontextentity: nothing,
      oncdata: nothing,
      oncomment: nothing,
      ondeclaration: nothing,
      onprocessinginstruction: nothing,
      onend: endRow,
    },
  )
  let piece = ''
  for (let start = 0; start < page.length; start += pieceSize) {
    textStart = start - piece.length
    // Each octet is one character: names and times are ASCII, and the text is as small as the page.
    const next = page.toString('latin1', start, start + pieceSize)
    text = piece + next
    piece = next
    tokenizer.write(piece)
  }
  tokenizer.end()
}
