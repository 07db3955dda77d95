import type { RequestListener, ServerResponse } from 'node:http'
import { answering } from '../cli/answering.ts'
import { exampleDigest, newBlob } from '../signing.ts'

/** A lookaside of files, as nginx serves them with `autoindex on`. What it has may be changed at any time. */
export interface TreeServer {
  /** The URL of the tree. */
  from: string
  /** By paths of slots. */
  files: Map<string, File>
  /** Paths that are answered otherwise: with a slash at the end, listings. */
  odd: Map<string, RequestListener>
  /** The rows of listings that are made up as they are asked for. */
  endless: (path: string) => readonly string[] | null
  /** What slots say it is, in Unix milliseconds. */
  clock: () => number
  /** What was asked for since this was last called, paths below the tree in order of the alphabet. */
  asked(): string[]
}

export interface File {
  blob: Uint8Array
  /** Unix milliseconds; what HTTP and the listing say of it has less. */
  modified: number
}

export async function treeServer(base = '/signatures'): Promise<TreeServer> {
  const files: TreeServer['files'] = new Map()
  const odd: TreeServer['odd'] = new Map()
  let asked: string[] = []
  const tree: TreeServer = {
    from: '',
    files,
    odd,
    endless: () => null,
    clock: Date.now,
    asked() {
      const paths = asked.sort()
      asked = []
      return paths
    },
  }
  const { url } = await answering((request, response) => {
    const path = decodeURIComponent(request.url ?? '').slice(base.length + 1)
    asked.push(path)
    const other = odd.get(path)
    if (other) return other(request, response)
    const file = files.get(path)
    if (file) return sendFile(file, tree.clock(), request.headers, response)
    const isFolder = path === '' || path.endsWith('/')
    const rows = tree.endless(path) ?? (isFolder ? rowsOf(path, files) : [])
    if (rows.length > 0 || path === '') return sendListing(rows, response)
    response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>404 Not Found</h1>')
  })
  tree.from = `${url}${base}`
  return tree
}

export function sendListing(rows: readonly string[], response: ServerResponse): void {
  response
    .writeHead(200, { 'content-type': 'text/html' })
    .end(`<html><h1>Index</h1><hr><pre><a href="../">../</a>\n${rows.join('')}</pre><hr></html>`)
}

/** One line of a listing. */
export function row(name: string, text = ''): string {
  return `<a href="${encodeURIComponent(name.replace(/\/$/, ''))}${name.endsWith('/') ? '/' : ''}">${name}</a>${text}\n`
}

const anHour = 3600_000

/** A blob for this path of a slot that is like no other, and as old as that. */
export function fileAt(path: string, { age = anHour } = {}): File {
  const [, hex = ''] = /=([0-9a-f]+)\//.exec(path) ?? []
  const blob = newBlob({ digest: `sha256:${hex}`, reference: `registry.example.com/${nameIn(path)}:1` })
  return { blob, modified: Date.now() - age }
}

/** `team/app@sha256=aaaa…/signature-1`. */
export function slotPath(letter: string, slot: number, name = 'team/app@'): string {
  return `${name}${exampleDigest(letter).replace(':', '=')}/signature-${slot}`
}

function nameIn(path: string): string {
  const name = path.slice(0, path.indexOf('sha256='))
  return name.endsWith('@') ? name.slice(0, -1) : 'team/app'
}

function sendFile(
  { blob, modified }: File,
  now: number,
  headers: NodeJS.Dict<string | string[]>,
  response: ServerResponse,
): void {
  const seconds = Math.floor(modified / 1000)
  const etag = `"${seconds.toString(16)}-${blob.length.toString(16)}"`
  const date = new Date(seconds * 1000).toUTCString()
  const own = { etag, 'last-modified': date, date: new Date(now).toUTCString() }
  const isSame = headers['if-none-match'] === etag || headers['if-modified-since'] === date
  if (isSame) return void response.writeHead(304, own).end()
  response.writeHead(200, { ...own, 'content-type': 'application/octet-stream' }).end(blob)
}

function rowsOf(folder: string, files: TreeServer['files']): string[] {
  const rows = new Map<string, string>()
  for (const [path, { blob, modified }] of files) {
    if (!path.startsWith(folder)) continue
    const [name = '', ...more] = path.slice(folder.length).split('/')
    const isFolder = more.length > 0
    const time = new Date(modified).toISOString().slice(0, 16).replace('T', ' ')
    rows.set(name, row(`${name}${isFolder ? '/' : ''}`, `   ${time}   ${isFolder ? '-' : blob.length}`))
  }
  return [...rows.values()]
}
