import assert from 'node:assert/strict'
import type { Config } from '../../src/config/config.ts'
import { type Answer, ask, type TestServer, testServer } from '../server.ts'

/** What `/api/v1/mirrors` says of one mirror. */
export type MirrorDocument = Record<string, unknown> & {
  state: string
  added: number
  present: number
  removed: number
  refused: Record<string, number>
  lastError: string | null
}

export async function mirrorsOf(server: { port: number }): Promise<MirrorDocument[]> {
  return (await ask(server, 'GET', '/api/v1/mirrors')).json().mirrors
}

export async function uploadTo(server: TestServer, body: Buffer): Promise<{ id: number }> {
  const token = await server.token('push:**')
  const answer = await ask(server, 'POST', '/api/v1/signatures', { token, body })
  assert.ok(answer.status < 300, answer.body.toString())
  return answer.json()
}

export async function withdrawFrom(server: TestServer, id: number): Promise<void> {
  const token = await server.token('withdraw:**')
  const answer = await ask(server, 'DELETE', `/api/v1/signatures/${id}?reason=test`, { token })
  assert.equal(answer.status, 200, answer.body.toString())
}

/** All that is served, as `repository@digest identity`, sorted. */
export async function servedBy(server: { port: number }): Promise<string[]> {
  const served: string[] = []
  for (let after: number | null = 0; after !== null; ) {
    const answer: Answer = await ask(server, 'GET', `/api/v1/signatures?limit=1000&after=${after}`)
    const page = answer.json()
    for (const { repository, digest, identity } of page.signatures)
      served.push(`${repository}@${digest} ${identity}`)
    after = page.next
  }
  return served.sort()
}

/** A server that can be started anew at the same place. */
export function serverAt(port: number, config: Partial<Config> = {}): Promise<TestServer> {
  return testServer({ ...config, listen: { host: '127.0.0.1', port } })
}
