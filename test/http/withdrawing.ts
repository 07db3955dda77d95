import assert from 'node:assert/strict'
import { packetTag } from '../../src/openpgp/packets.ts'
import {
  created,
  exampleCreated,
  issuer,
  issuerFingerprint,
  literal,
  mpi,
  onePass,
  packet,
  signature,
} from '../openpgp/write.ts'
import { type Answer, ask, type TestServer } from '../server.ts'
import { claimOf } from '../signing.ts'

/** For a query. */
export const reason = 'reason=published%20by%20mistake'
export const everything = ['push:**', 'relocate:**', 'withdraw:**']

/** A well-formed signature that names this key, and that no key has made; each number makes another one. */
export function blobOf(
  fingerprint: string,
  number: number,
  claim: { reference?: string; digest?: string } = {},
): Buffer {
  const keyId = fingerprint.slice(-16)
  const value = Buffer.alloc(256, 0xa5)
  value.writeUInt32BE(number, 100)
  const hashed = Buffer.concat([created(exampleCreated), issuerFingerprint(fingerprint)])
  return Buffer.concat([
    packet(packetTag.onePassSignature, onePass({ issuer: keyId })),
    packet(packetTag.literal, literal(claimOf(claim))),
    packet(packetTag.signature, signature({ hashed, unhashed: issuer(keyId), value: mpi(value) })),
  ])
}

/** One token for all uploads to a server. */
const uploaders = new Map<TestServer, Promise<string>>()

export async function push(server: TestServer, blob: Uint8Array, query = ''): Promise<Answer> {
  const token = uploaders.get(server) ?? server.token(...everything)
  uploaders.set(server, token)
  return ask(server, 'POST', `/api/v1/signatures${query}`, { token: await token, body: blob })
}

export async function upload(server: TestServer, blob: Uint8Array, query = ''): Promise<number> {
  const answer = await push(server, blob, query)
  assert.equal(answer.status, 201, answer.body.toString())
  return answer.json().id
}

/** As somebody with these scopes. */
export async function as(
  server: TestServer,
  scopes: string[],
  method: string,
  path: string,
): Promise<Answer> {
  return ask(server, method, path, { token: await server.token(...scopes) })
}

export const withdraw = (server: TestServer, what: string, scopes = everything) =>
  as(server, scopes, 'DELETE', `/api/v1/signatures${what}${what.includes('?') ? '&' : '?'}${reason}`)

/** What a client reads at a digest, slot by slot. */
export async function read(server: TestServer, digest: string, repository = 'team/app'): Promise<Buffer[]> {
  const found: Buffer[] = []
  for (let slot = 1; ; slot++) {
    const path = `/signatures/${repository}@${digest.replace(':', '=')}/signature-${slot}`
    const { status, body } = await ask(server, 'GET', path)
    if (status === 404) return found
    assert.equal(status, 200)
    found.push(body)
  }
}

export const idsOf = (answer: Answer) =>
  answer.json<{ withdrawn: { id: number }[] }>().withdrawn.map(({ id }) => id)
