import assert from 'node:assert/strict'
import { type Answer, ask, type TestServer } from '../../server.ts'

/** What a browser says that it likes. */
const accept = 'text/html,application/xhtml+xml,*/*;q=0.8'

export const get = (server: TestServer, path: string, token?: string): Promise<Answer> =>
  ask(server, 'GET', path, { headers: { accept }, ...(token !== undefined && { token }) })

/** The text of a page that is there, without where its names may be broken. */
export async function page(server: TestServer, path: string, token?: string): Promise<string> {
  const { status, headers, body } = await get(server, path, token)
  const text = body.toString()
  assert.equal(status, 200, `${path}: ${text}`)
  assert.equal(headers['content-type'], 'text/html; charset=utf-8')
  return text.replaceAll('<wbr>', '')
}
