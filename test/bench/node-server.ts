import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'

/**
 * The least that a server written for Node does for a read: node:https finds the answer in a Map, by the path, and ends
 * the response. What Lookaside adds to that is its own; what is between that and nginx is Node's.
 */
const [port, tree, cert, key] = process.argv.slice(2) as [string, string, string, string]

const answers = new Map<string, { body: string; length: string }>()
for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue
  const file = join(entry.parentPath, entry.name)
  const bytes = readFileSync(file)
  answers.set(`/signatures${file.slice(tree.length)}`, {
    body: bytes.toString('latin1'),
    length: String(bytes.length),
  })
}

const tls = { cert: readFileSync(cert), key: readFileSync(key), keepAliveTimeout: 60_000 }
createServer(tls, ({ url = '' }, response) => {
  const found = answers.get(url)
  if (!found) return response.writeHead(404, { 'Content-Length': '0' }).end()
  const headers = { 'Content-Type': 'application/octet-stream', 'Content-Length': found.length }
  response.writeHead(200, headers).end(found.body, 'latin1')
}).listen(Number(port), '127.0.0.1')
