import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import { readSignature } from '../../src/signature/signature.ts'

export type Answering = (request: IncomingMessage, response: ServerResponse, url: URL) => void

export interface HostileServer {
  origin: string
  /** Each request, as `GET /path?query`. */
  requests: string[]
}

/** A server that answers as it likes. */
export async function hostileServer(answer: Answering): Promise<HostileServer> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    answer(request, response, new URL(request.url ?? '/', 'http://hostile.example'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

/** What `/api/v1/changes` answers: a log of these changes, as a Lookaside would. */
export function feedOf(
  changes: readonly object[],
  { epoch = 'hostile', head = changes.length } = {},
): Answering {
  return (_, response, url) => {
    if (!url.pathname.endsWith('/api/v1/changes')) return void response.writeHead(404).end()
    const afterSeq = Number(url.searchParams.get('after'))
    const found = changes.slice(afterSeq, afterSeq + Number(url.searchParams.get('limit')))
    // Nobody is kept waiting for what never comes.
    sendJson(response, { epoch, changes: found, next: afterSeq + found.length, head })
  }
}

export function sendJson(response: ServerResponse, document: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
}

/** A change as the feed has it, of a signature as it is unless something else is given. */
export function changeOf(
  seq: number,
  blob: Buffer,
  given: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    seq,
    time: new Date(seq).toISOString(),
    kind: 'added',
    signature: seq,
    ...factsOf(blob),
    actor: null,
    reason: null,
    hash: createHash('sha256').update(`${seq}`).digest('hex'),
    blob: blob.toString('base64'),
    ...given,
  }
}

function factsOf(blob: Buffer): Record<string, unknown> {
  const sha256 = createHash('sha256').update(blob).digest('hex')
  try {
    const { claim, identity } = readSignature(blob)
    return { repository: claim.reference.path, digest: claim.digest, identity, sha256 }
  } catch {
    return { repository: 'team/app', digest: `sha256:${'a'.repeat(64)}`, identity: sha256, sha256 }
  }
}
