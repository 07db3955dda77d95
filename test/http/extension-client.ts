import assert from 'node:assert/strict'
import { type Answer, ask } from '../server.ts'
import { exampleDigest } from '../signing.ts'

/** Where the signatures of a digest are in the registry extension. */
export function extensionPath(name = 'team/app', digest: string = exampleDigest('1')): string {
  return `/extensions/v2/${name}/signatures/${digest}`
}

/** What clients put; the last 32 characters of its name are theirs to choose. */
export function extensionObject(blob: Uint8Array, digest: string = exampleDigest('1'), character = 'e') {
  const name = `${digest}@${character.repeat(32)}`
  return { schemaVersion: 2, name, type: 'atomic', content: Buffer.from(blob).toString('base64') }
}

/** Puts an object as c/image does: with no type, and credentials at once. */
export function putObject(
  server: { port: number },
  path: string,
  object: unknown,
  { authorization, ...headers }: Record<string, string>,
): Promise<Answer> {
  return ask(server, 'PUT', path, {
    headers: { ...(authorization && { authorization }), ...headers },
    body: JSON.stringify(object),
  })
}

export async function listed(
  server: { port: number },
  path: string,
  headers: Record<string, string> = {},
): Promise<Record<string, unknown>[]> {
  const answer = await ask(server, 'GET', path, { headers })
  assert.equal(answer.status, 200)
  return answer.json().signatures
}

/** Status and code of an answer in the form of registries, and our code for it. */
export function registryRefusal(answer: Answer): [status: number, code: string, ours?: string] {
  assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  const { errors } = answer.json()
  assert.equal(errors.length, 1)
  const [{ code, message, detail, ...others }] = errors
  assert.deepEqual(others, {})
  assert.ok(message)
  return [answer.status, code, detail.code]
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
