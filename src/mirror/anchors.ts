import { Tokenizer } from 'htmlparser2'

/** What an anchor of a listing leads to, as it was read, and what the page says of it. */
export interface Anchored<T> {
  to: T
  /** The text behind it, up to the next one or the end of its row: time and size of a file. */
  after: string
}

/** A name of 255 characters, each of them escaped, below the path of its folder. */
const maxHref = 4096

/** Servers pad it; one that says more has no more to say. */
const maxAfter = 300

const rowEnds = new Set(['tr', 'li', 'pre', 'ul', 'ol', 'table'])

/**
 * The anchors of an HTML page whose `href` is of use: `read` gets it with its entities decoded, and returns null for the
 * others. Time and memory are linear in the page, whatever it is: only tokens are read, as a parser that keeps the open
 * elements takes for ever with a page of nothing but opening tags.
 */
export function anchorsIn<T>(page: Buffer, read: (href: string) => T | null): Anchored<T>[] {
  // Each octet is one character: names and times are ASCII, and the text is as small as the page.
  const text = page.toString('latin1')
  const anchors: Anchored<T>[] = []
  let current: Anchored<T> | null = null
  let isInside = false
  let tag = ''
  let attribute = ''
  let href = ''

  const nameOf = (start: number, end: number) => (end - start > 8 ? '' : text.slice(start, end).toLowerCase())
  const addToHref = (more: string) => {
    if (tag === 'a' && attribute === 'href' && href.length <= maxHref) href += more
  }
  const addAfter = (more: string) => {
    if (current && !isInside && current.after.length < maxAfter) current.after += more
  }
  const opened = () => {
    if (tag !== 'a') return
    const to = href.length > maxHref ? null : read(href)
    current = to === null ? null : { to, after: '' }
    if (current) anchors.push(current)
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
        addToHref(text.slice(start, Math.min(end, start + maxHref + 1)))
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
        else if (rowEnds.has(closed)) current = null
        // The cells of a table have nothing else between them.
        addAfter(' ')
      },
      ontext(start, end) {
        addAfter(text.slice(start, Math.min(end, start + maxAfter)))
      },
      ontextentity: nothing,
      oncdata: nothing,
      oncomment: nothing,
      ondeclaration: nothing,
      onprocessinginstruction: nothing,
      onend: nothing,
    },
  )
  tokenizer.write(text)
  tokenizer.end()
  return anchors
}
