import { type ServerResponse, STATUS_CODES } from 'node:http'
import { keepAliveMilliseconds } from './connections.ts'

/** The beginning of an answer, to which nothing is added but what differs each time: status line and fields. */
export type PreparedHead = string & { readonly isPreparedHead: unique symbol }

/** @param fields names and values, in turn; one of them says how long the body is, unless there is none */
export function prepareHead(status: number, fields: readonly string[]): PreparedHead {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`
  for (let index = 0; index < fields.length; index += 2) head += `${fields[index]}: ${fields[index + 1]}\r\n`
  // One string, not a tree of parts that each answer would put together.
  return Buffer.from(head, 'latin1').toString('latin1') as PreparedHead
}

/**
 * What `writeHead` leaves behind, and `end` sends (lib/_http_outgoing.js). It would check each field of each answer, and
 * put them together: docs/decisions/0004.
 */
interface WithHeader {
  _header: string
}

/**
 * Answers as Node would: the order of answers and what becomes of the connection are its business.
 * @param body a character a byte; null where there is none
 */
export function sendPrepared(response: ServerResponse, head: PreparedHead, body: string | null): void {
  const status = Number(head.slice(9, 12))
  if (response.shouldKeepAlive) {
    response.statusCode = status
    ;(response as unknown as WithHeader)._header = head + everyTime()
  } else response.writeHead(status, fieldsOf(head))
  if (body === null) response.end()
  else response.end(body, 'latin1')
}

/** Names and values, in turn. */
export function fieldsOf(head: PreparedHead): string[] {
  return head
    .split('\r\n')
    .slice(1, -1)
    .flatMap((line) => line.split(/: (.*)/s, 2))
}

let time = ''
let timeUntil = 0

/** RFC 9110, 6.6.1: Date has whole seconds. */
function everyTime(): string {
  const now = Date.now()
  if (now >= timeUntil || now < timeUntil - 1000) {
    timeUntil = (Math.floor(now / 1000) + 1) * 1000
    time = `Date: ${new Date(now).toUTCString()}\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${keepAliveMilliseconds / 1000}\r\n\r\n`
  }
  return time
}
