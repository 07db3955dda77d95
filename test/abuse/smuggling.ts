import type { RawAnswer } from './answers.ts'

/**
 * Requests whose end two readers may see in different places (RFC 9112, 11.2), and others that are none. Each request has
 * a number that its answer has too: that of the attack, of what lies in its body, of what comes behind it.
 */
export interface Attack {
  name: string
  bytes: string
  /** It is whole, and what is behind it is none: that one is told so. */
  isGarbageBehind?: true
}

const inner = 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: smuggled\r\n\r\n'
const length = inner.length
const chunk = `${length.toString(16)}\r\n${inner}\r\n`
const last = '0\r\n\r\n'

/** What is sent behind each on the same connection; the answer to it is the last. */
export const next = 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: next\r\nConnection: close\r\n\r\n'

const encodings = [
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding: \x00chunked',
  'Transfer-Encoding: chunked\x0b',
  'Transfer-Encoding: chunked ',
  'Transfer-Encoding: CHUNKED',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: ',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer\r\n -Encoding: chunked',
  'Foo: bar\r\n Transfer-Encoding: chunked',
  'Foo: bar\nTransfer-Encoding: chunked',
  'Foo: bar\rTransfer-Encoding: chunked',
  'Foo: bar\r\n\rTransfer-Encoding: chunked',
  'X: X\x00Transfer-Encoding: chunked',
  ' Transfer-Encoding: chunked',
  'Transfer-Encodin\xc7: chunked',
  'Transfer-Encoding: chun\xefked',
]

const lengths = [
  ...['+0', '-1', '0x10', '1e1', '0 0', '0,0', `0, ${length}`, '0;', '', ' ', '0\x00', '٣', 'NaN'],
  ...[
    '18446744073709551616',
    `1844674407370955161${length % 10}`,
    '9'.repeat(400),
    `0${length}`,
    '-0',
    '0.0',
  ],
].map((value) => `Content-Length: ${value}`)

const lengthLines = [
  ...lengths,
  `Content-Length: 0\r\nContent-Length: ${length}`,
  `Content-Length: ${length}\r\nContent-Length: 0`,
  `Content-Length: ${length}\r\nContent-Length: ${length}`,
  `Content-Length : ${length}`,
  `Content-Length:\r\n ${length}`,
  ` Content-Length: ${length}`,
  `Content\x00-Length: ${length}`,
  `Content-Length\x0b: ${length}`,
  `Content-Length: ${length}\nX: y`,
]

const chunked = 'Transfer-Encoding: chunked'

/** Bodies in chunks. */
const bodies: Record<string, string> = {
  'an extension': `${length.toString(16)};a=b\r\n${inner}\r\n${last}`,
  'a quoted extension': `${length.toString(16)};a="\r\n"\r\n${inner}\r\n${last}`,
  'an extension with a bare LF': `${length.toString(16)};a\n${inner}\r\n${last}`,
  'an extension with a bare CR': `${length.toString(16)};a\rb\r\n${inner}\r\n${last}`,
  'an extension of 100 kB': `${length.toString(16)};${'a'.repeat(100_000)}\r\n${inner}\r\n${last}`,
  'a size that overflows 64 bits': `10000000000000000${length.toString(16)}\r\n${inner}\r\n${last}`,
  'a size of 16 digits': `ffffffffffffffff\r\n${inner}\r\n${last}`,
  'a negative size': `-${length.toString(16)}\r\n${inner}\r\n${last}`,
  'a size with 0x': `0x${length.toString(16)}\r\n${inner}\r\n${last}`,
  'a size with a space before it': ` ${length.toString(16)}\r\n${inner}\r\n${last}`,
  'a size with a space behind it': `${length.toString(16)} \r\n${inner}\r\n${last}`,
  'no size': `\r\n${inner}\r\n${last}`,
  'a bare LF behind the size': `${length.toString(16)}\n${inner}\r\n${last}`,
  'a bare LF behind the data': `${length.toString(16)}\r\n${inner}\n${last}`,
  'two octets of anything behind the data': `${length.toString(16)}\r\n${inner}XX${last}`,
  'data longer than its size': `3\r\n${inner}\r\n${last}`,
  'a last chunk of many zeros': `${chunk}000000000\r\n\r\n`,
  'a last chunk with a bare LF': `${chunk}0\n\n`,
  trailers: `${chunk}0\r\nX-Request-Id: smuggled\r\nContent-Length: 5\r\n\r\n`,
  'trailers that are none': `${chunk}0\r\nGET /healthz HTTP/1.1\r\nX-Request-Id: smuggled\r\n\r\n`,
  'trailers without end': `${chunk}0\r\n${'X: y\r\n'.repeat(20_000)}`,
  'a request after the last chunk, before its end': `${chunk}0\r\n${inner}`,
}

function post(lines: string[], body: string, authorization: string): string {
  const head = ['POST /api/v1/signatures HTTP/1.1', 'Host: x', 'X-Request-Id: attack', authorization]
  return `${[...head, ...lines].join('\r\n')}\r\n\r\n${body}`
}

/** Bodies that nobody asked for, and bodies of somebody who may upload. */
export function attacks(token: string): Attack[] {
  return ['X: y', `Authorization: Bearer ${token}`].flatMap((authorization) => [
    ...[`Content-Length: ${length}`, 'Content-Length: 0', 'Content-Length: 4'].flatMap((line) =>
      encodings.flatMap((encoding) =>
        [
          [line, encoding],
          [encoding, line],
        ].map((lines) => ({
          name: lines.join(' + '),
          bytes: post(lines, `${chunk}${last}`, authorization),
        })),
      ),
    ),
    ...encodings.map((line) => ({ name: line, bytes: post([line], `${chunk}${last}`, authorization) })),
    ...lengthLines.map((line) => ({ name: line, bytes: post([line], inner, authorization) })),
    ...lengthLines.map((line) => ({
      name: `${line} + chunked`,
      bytes: post([line, chunked], `${chunk}${last}`, authorization),
    })),
    ...Object.entries(bodies).map(([name, body]) => ({
      name: `chunked, ${name}`,
      bytes: post([chunked], body, authorization),
    })),
    ...[
      '100-continue',
      '100-Continue, 100-continue',
      '200-ok',
      ' 100-continue',
      '100-continue\r\nExpect: x',
    ].map((value) => ({
      name: `Expect: ${value}`,
      bytes: post([`Expect: ${value}`, `Content-Length: ${length}`], inner, authorization),
    })),
    {
      name: 'HTTP/1.0, chunked',
      bytes: post([chunked], `${chunk}${last}`, authorization).replace('HTTP/1.1', 'HTTP/1.0'),
    },
    {
      name: 'Connection names the length',
      bytes: post(['Connection: content-length', `Content-Length: ${length}`], inner, authorization),
    },
    {
      name: 'a method in a header',
      bytes: post(['X-HTTP-Method-Override: GET', `Content-Length: ${length}`], inner, authorization),
    },
  ])
}

const id = 'X-Request-Id: attack\r\n'

/** Heads that are odd, without a body. */
export const heads: Attack[] = [
  ['a bare LF', `GET /healthz HTTP/1.1\nHost: x\n${id}\n`],
  ['a bare CR', `GET /healthz HTTP/1.1\rHost: x\r${id}\r`],
  ['LF CR', `GET /healthz HTTP/1.1\n\rHost: x\n\r${id}\n\r`],
  ['NUL in a value', `GET /healthz HTTP/1.1\r\nHost: x\x00y\r\n${id}\r\n`],
  ['NUL in the target', `GET /heal\x00thz HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['a space before the colon', `GET /healthz HTTP/1.1\r\nHost : x\r\n${id}\r\n`],
  ['a folded line', `GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n${id}\r\n`],
  ['a folded first line', `GET /healthz HTTP/1.1\r\n Host: x\r\n${id}\r\n`],
  ['a line without a colon', `GET /healthz HTTP/1.1\r\nHost: x\r\nnothing\r\n${id}\r\n`],
  ['no name', `GET /healthz HTTP/1.1\r\nHost: x\r\n: y\r\n${id}\r\n`],
  ['no Host', `GET /healthz HTTP/1.1\r\n${id}\r\n`],
  ['two Hosts', `GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n${id}\r\n`],
  ['absolute form', `GET http://y/healthz HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['absolute form of another scheme', `GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['absolute form with a user', `GET http://a:b@y/healthz HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['authority form', `CONNECT x:443 HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['authority form of GET', `GET x:443 HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['asterisk form', `OPTIONS * HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['asterisk form of GET', `GET * HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['a request in the target', `GET /a%20HTTP/1.1%0d%0a%0d%0aGET%20/healthz HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['a space in the target', `GET /a /healthz HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['a tab for a space', `GET\t/healthz\tHTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['empty lines before it', `\r\n\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['HTTP/0.9', 'GET /healthz\r\n'],
  ['HTTP/1.2', `GET /healthz HTTP/1.2\r\nHost: x\r\n${id}\r\n`],
  ['HTTP/11', `GET /healthz HTTP/11\r\nHost: x\r\n${id}\r\n`],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00'],
  ['a handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['an unknown method', `FROB /healthz HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['a method in small letters', `get /healthz HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['10,000 headers', `GET /healthz HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(10_000)}${id}\r\n`],
  ['a header of 100 kB', `GET /healthz HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(100_000)}\r\n${id}\r\n`],
  ['a name of 100 kB', `GET /healthz HTTP/1.1\r\nHost: x\r\n${'a'.repeat(100_000)}: b\r\n${id}\r\n`],
  ['a target of 100 kB', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
  ['a method of 100 kB', `${'G'.repeat(100_000)} / HTTP/1.1\r\nHost: x\r\n${id}\r\n`],
].map(([name = '', bytes = '']) => ({ name, bytes }))

/** Whole requests, with what is none behind them. */
export const tails: Attack[] = [
  `GET /healthz HTTP/2.0\r\nHost: x\r\n${id}\r\n`,
  `GET /healthz HTTP/1.1\r\nHost: x\r\n${id}\r\n`,
  `GET /signatures/ HTTP/1.1\r\nHost: x\r\n${id}\r\n`,
  `GET /api/v1/changes?after=0&limit=1000 HTTP/1.1\r\nHost: x\r\n${id}\r\n`,
  `POST /api/v1/signatures HTTP/1.1\r\nHost: x\r\n${id}Content-Length: 3\r\n\r\nabc`,
].flatMap((bytes) =>
  ['\x00\x00\x00\x00', 'garbage\r\n\r\n', `\n${'x'.repeat(1000)}`].map((garbage) => ({
    name: `${bytes.split(' HTTP')[0]}, then garbage`,
    bytes: bytes + garbage,
    isGarbageBehind: true as const,
  })),
)

/**
 * Null where all is well: each request has at most one answer, in their order, what lay in a body has none, and what is behind
 * is answered as itself or not at all. A proxy may answer by itself, 501 and 505 too.
 */
export function whatIsWrong(
  { isGarbageBehind }: Attack,
  answers: readonly RawAnswer[],
  rest: string,
  { byProxy = false } = {},
): string | null {
  // What Node itself says of an expectation that is none has no number (RFC 9110, 15.5.18).
  const sequence = answers
    .map(({ status, headers }) => headers['x-request-id'] ?? (status === 417 ? 'attack' : 'nobody'))
    .join(' ')
  const permitted = [
    ...['', 'nobody', 'attack', 'attack next', 'next'],
    ...(isGarbageBehind ? ['attack nobody'] : []),
    ...(byProxy ? ['nobody next'] : []),
  ]
  if (rest !== '') return `${JSON.stringify(rest.slice(0, 200))} is no answer`
  if (!permitted.includes(sequence)) return `the answers are to ${sequence}`
  const failed = answers.find(
    ({ status, headers }) =>
      status >= 500 && !(byProxy && !headers['x-request-id'] && [501, 505].includes(status)),
  )
  if (failed) return `it is answered ${failed.status}`
  const behind = answers.find(({ headers }) => headers['x-request-id'] === 'next')
  if (behind && behind.status !== 200) return `what is behind is answered ${behind.status}`
  return null
}
