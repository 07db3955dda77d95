import type { Duplex } from 'node:stream'

export interface RawAnswer {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  body: string
}

/** Everything that comes until the connection is closed, however it is closed. */
export async function receive(socket: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of socket) chunks.push(chunk as Buffer)
  } catch {}
  return Buffer.concat(chunks)
}

/**
 * What a client makes of all that came on a connection: answers one after the other, each with the length that it tells.
 * `rest` is what is none; one that was cut off is among it. RFC 9112, 6.3.
 */
export function answersIn(received: Buffer): { answers: RawAnswer[]; rest: string } {
  const answers: RawAnswer[] = []
  let rest = received.toString('latin1')
  for (;;) {
    const head = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[!-9;-~]+: [^\r\n]*\r\n)*)\r\n/.exec(rest)
    if (!head) return { answers, rest }
    const status = Number(head[1])
    const headers = Object.fromEntries(
      (head[2] ?? '')
        .split('\r\n')
        .filter(Boolean)
        .map((line) => [
          line.slice(0, line.indexOf(':')).toLowerCase(),
          line.slice(line.indexOf(':') + 1).trim(),
        ]),
    )
    const body = bodyOf(rest.slice(head[0].length), status, headers)
    if (!body) return { answers, rest }
    rest = rest.slice(head[0].length + body.size)
    if (status >= 200) answers.push({ status, headers, body: body.text })
  }
}

/** Null where it has not come whole. */
function bodyOf(
  rest: string,
  status: number,
  headers: Record<string, string>,
): { text: string; size: number } | null {
  if (status < 200 || status === 304) return { text: '', size: 0 }
  if (headers['transfer-encoding'] === 'chunked') return chunksIn(rest)
  const size = Number(headers['content-length'] ?? Number.NaN)
  // Without a length it ends with the connection.
  if (Number.isNaN(size)) return { text: rest, size: rest.length }
  return rest.length < size ? null : { text: rest.slice(0, size), size }
}

function chunksIn(rest: string): { text: string; size: number } | null {
  let text = ''
  for (let at = 0; ; ) {
    const [line, hex = ''] = /^([0-9a-f]+)\r\n/i.exec(rest.slice(at, at + 20)) ?? []
    if (line === undefined) return null
    const size = Number.parseInt(hex, 16)
    const start = at + line.length
    if (rest.slice(start + size, start + size + 2) !== '\r\n') return null
    text += rest.slice(start, start + size)
    at = start + size + 2
    if (size === 0) return { text, size: at }
  }
}
