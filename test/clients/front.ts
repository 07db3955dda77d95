import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExtensionSignature } from '../../src/bridge/extension.ts'
import type { SigningKey } from './gnupg.ts'
import type { Image } from './image.ts'
import { type Lookaside, startLookaside } from './lookaside.ts'
import type { Machine } from './machine.ts'
import { type Outcome, type Skopeo, succeed } from './program.ts'
import type { Registry } from './registry.ts'
import { clients } from './site.ts'

/** A lookaside server in front of a registry: for clients it is that registry. */
export interface Front extends Registry {
  server: Lookaside
  /** Without a repository: all that it has. */
  signatures(repository?: string): Promise<StoredSignature[]>
  /** Answers `GET /extensions/v2/<repository>/signatures/<digest>`, to nobody in particular. */
  list(repository: string, digest: string): Promise<ExtensionSignature[]>
  /** Sends a signature as clients do, with these options of curl; returns status and code of the answer. */
  put(repository: string, digest: string, blob: Uint8Array, ...options: string[]): Promise<string>
  /** Whom it has taken signatures from so far, the latest last. */
  actors(): unknown[]
}

export interface StoredSignature {
  repository: string
  digest: string
  slot: number
}

export async function startFront(
  folder: string,
  registry: Registry,
  options: { delegate?: boolean; anonymous?: boolean } = {},
  configuration: Record<string, unknown> = {},
): Promise<Front> {
  const upstream = { upstream: `https://${registry.host}`, ca: registry.ca }
  // What a registry has said is remembered by each process: with one, every test has to do with that.
  const workers = options.delegate ? 1 : 2
  const server = await startLookaside(folder, {
    workers,
    registry: { ...upstream, ...options },
    ...configuration,
  })
  const curl = (...args: string[]) => succeed('curl', ['--silent', '--cacert', server.ca, ...args])
  const get = async (path: string) => JSON.parse(await curl('--fail', server.url + path))
  return {
    host: new URL(server.url).host,
    ca: server.ca,
    server,
    signatures: async (repository) =>
      (await get(`/api/v1/signatures${repository === undefined ? '' : `?repository=${repository}`}`))
        .signatures,
    list: async (repository, digest) =>
      (await get(`/extensions/v2/${repository}/signatures/${digest}`)).signatures,
    actors: () =>
      server
        .log()
        .filter(({ msg }) => msg === 'upload')
        .map(({ actor }) => actor),
    put: async (repository, digest, blob, ...options) => {
      const name = `${digest}@${randomBytes(16).toString('hex')}`
      const content = Buffer.from(blob).toString('base64')
      const body = JSON.stringify({ schemaVersion: 2, name, type: 'atomic', content })
      const url = `${server.url}/extensions/v2/${repository}/signatures/${digest}`
      const sent = ['--request', 'PUT', '--header', 'Content-Type:', '--data-binary', body]
      const answer = await curl(...sent, ...options, '--write-out', '\n%{http_code}', url)
      const [, document = '', status] = /^(.*)\n(\d+)$/s.exec(answer) ?? []
      const [error] = JSON.parse(document).errors ?? []
      return [status, ...(error ? [error.code] : [])].join(' ')
    },
  }
}

export interface Push {
  image: Image
  /** `localhost:5000/team/app:1.0`. */
  reference: string
  key: SigningKey
  /** User name and password, with a colon between; without: nobody in particular. */
  login?: string
}

export interface Pushed extends Outcome {
  /** Of the manifest that was pushed, as podman and buildah pack layers anew; empty where the client ended with an error. */
  digest: string
}

/** A client that signs while it pushes. */
export type SigningClient = (machine: Machine, push: Push) => Promise<Pushed>

export const podmanPush: SigningClient = (machine, push) => pushBy('podman', machine, push)
export const buildahPush: SigningClient = (machine, push) => pushBy('buildah', machine, push)

export const skopeoCopy =
  ({ command }: Partial<Skopeo> = {}): SigningClient =>
  async (machine, push) => {
    const { options, pushed } = prepare(machine, push, '--dest-creds')
    const copy = ['copy', ...options, `oci:${push.image.layout}`, `docker://${push.reference}`]
    return pushed(await machine.skopeo(copy, {}, command))
  }

/** All of them, by name. */
export function signingClients(skopeos: readonly Skopeo[]): [string, SigningClient][] {
  return [
    ...skopeos.map((skopeo): [string, SigningClient] => [
      `skopeo copy ${skopeo.version}`,
      skopeoCopy(skopeo),
    ]),
    ['podman push', podmanPush],
    ['buildah push', buildahPush],
  ]
}

/** Every client that pulls, by name. */
export function pullingClients(skopeos: readonly Skopeo[]): [string, (typeof clients)[string]][] {
  const { 'skopeo copy': _, ...others } = clients
  return [
    ...skopeos.map(({ command, version }): [string, (typeof clients)[string]] => [
      `skopeo copy ${version}`,
      (machine, { reference }) =>
        machine.skopeo(['copy', `docker://${reference}`, `dir:${machine.newFolder()}`], {}, command),
    ]),
    ...Object.entries(others),
  ]
}

async function pushBy(program: 'podman' | 'buildah', machine: Machine, push: Push): Promise<Pushed> {
  cpSync(push.image.layout, join(machine.home, 'image'), { recursive: true })
  const pull = await machine[program]('pull', 'oci:image')
  assert.equal(pull.code, 0, pull.stderr)
  const { options, pushed } = prepare(machine, push, '--creds')
  return pushed(await machine[program]('push', ...options, pull.stdout.trim(), `docker://${push.reference}`))
}

function prepare(machine: Machine, { key, login }: Push, loginOption: string) {
  const file = join(machine.newFolder(), 'digest')
  return {
    options: [
      ...(login === undefined ? [] : [loginOption, login]),
      ...['--sign-by', key.fingerprint, '--digestfile', file],
    ],
    pushed: (outcome: Outcome): Pushed => ({
      ...outcome,
      digest: existsSync(file) ? readFileSync(file, 'utf8') : '',
    }),
  }
}
