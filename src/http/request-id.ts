import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { withoutSecrets } from '../access/token.ts'

/** In requests and answers; Node has it in lower case. */
export const requestIdHeader = 'x-request-id'

/** What proxies and clients number requests with: hex, UUIDs, base64, ULIDs, trace ids. */
const wellFormed = /^[A-Za-z0-9_.:+/=-]{1,128}$/

/** The number that a proxy or client gave the request; where it gave none that is fit for a log, a new one. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers[requestIdHeader]
  return typeof given === 'string' && wellFormed.test(given) && withoutSecrets(given) === given
    ? given
    : randomUUID()
}
