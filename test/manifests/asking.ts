import { writeFileSync } from 'node:fs'
import type { RequestListener, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { findManifests } from '../../src/manifests/instances.ts'
import { parseReference } from '../../src/reference/reference.ts'
import { temporaryFolder } from '../temporary.ts'
import { ca, type HttpsServer } from './https-server.ts'
import { digestOf, entryOf, imageManifest, indexOf, ociIndex } from './layout.ts'

export const folder = temporaryFolder()
export const amd = imageManifest('amd64')
export const inner = indexOf([entryOf(amd, 'linux/amd64')])
export const outer = indexOf([entryOf(inner, undefined, ociIndex)])

export const password = 'pull:secret'
export const basic = `Basic ${Buffer.from(`puller:${password}`).toString('base64')}`

/** Somebody who has a password for these registries, or else an identity token. */
export async function find(
  { host }: Pick<HttpsServer, 'host'>,
  {
    name = 'team/app:1',
    entry = { auth: basic.slice('Basic '.length) },
    anonymous = false,
    keys = [host],
  }: {
    name?: string
    entry?: Record<string, string>
    anonymous?: boolean
    keys?: string[]
  } = {},
) {
  const authFile = join(folder, 'auth.json')
  writeFileSync(
    authFile,
    JSON.stringify({ auths: anonymous ? {} : Object.fromEntries(keys.map((key) => [key, entry])) }),
  )
  const access = { env: { HOME: folder }, authFile, ca, userAgent: 'lookaside/test' }
  return findManifests(parseReference(`${host}/${name}`), { kind: 'registry', access })
}

export const challenge = (response: ServerResponse, ...challenges: string[]) =>
  response.writeHead(401, { 'www-authenticate': challenges }).end('{"errors":[]}')

/** One that asks for the password, and answers the rest as it is told. */
export const withPassword =
  (answer: RequestListener): RequestListener =>
  (request, response) =>
    request.headers.authorization === basic
      ? answer(request, response)
      : challenge(response, 'Basic realm="x"')

export const manifests: RequestListener = ({ url = '' }, response) => {
  const known = new Map(
    [outer, inner, amd].map((bytes) => [`/v2/team/app/manifests/${digestOf(bytes)}`, bytes]),
  )
  if (url === '/v2/') return response.end('{}')
  const bytes = url === '/v2/team/app/manifests/1' ? outer : known.get(url)
  return bytes ? response.end(bytes) : response.writeHead(404).end()
}
