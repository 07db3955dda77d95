import type { KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, moveFile, replaceFile } from '../durable/durable.ts'
import {
  generateKey,
  isIssuedBy,
  issueCaCertificate,
  issueServerCertificate,
  type KeyPair,
  namesOf,
  namesPermittedBy,
  newCaSubject,
  readKeyPair,
} from './certificates.ts'
import { parseServerName, type ServerName } from './names.ts'

const day = 24 * 60 * 60 * 1000
const caRenewedBefore = 365 * day
const serverRenewedBefore = 30 * day

/** What every private CA permits and every server certificate names. */
const ownNames = ['localhost', '127.0.0.1', '::1']

export interface PrivateCa {
  /** Paths: the file that clients trust, and what the server presents. */
  ca: string
  cert: string
  key: string
  /** What was done to `ca.crt`. `created`: clients must be given it. `renewed`: their older copies work until they expire. */
  authority: 'kept' | 'created' | 'renewed'
  /** Why a CA was made where there had been one, as the end of a sentence that starts with "because". */
  reason?: string
  /** Whether the server certificate is new. */
  issued: boolean
  /** The names of the server certificate. */
  names: string[]
  /** The host's name, where an older CA does not permit it. */
  unnamedHost?: string
  /** When to call again to have the server certificate renewed. */
  renewAt: Date
}

/**
 * Sees to a CA and a server certificate in `directory` that are good for `names` and for a month more, making or
 * renewing what is needed; whatever an interrupted call left there is put right. One caller at a time.
 *
 * A name the CA does not permit makes a new CA, which every client must be told to trust. The host's own name alone
 * never does: containers get another one at each start, and two of them may share the folder.
 */
export async function ensurePrivateCa(request: {
  directory: string
  /** Beside localhost and its addresses. Each must be a DNS name or an address. */
  names: string[]
  hostName: string
  now: Date
}): Promise<PrivateCa> {
  const { directory, now } = request
  const files = pathsIn(directory)
  const wanted = distinct([...ownNames, ...request.names].map(serverName))
  const host = parseServerName(request.hostName)
  await makeFolder(directory)
  const authority = await ensureAuthority(files, wanted, host, now)
  const permitted = namesPermittedBy(authority.pair.certificate)
  const named = distinct([...wanted, ...(host !== undefined && includes(permitted, host) ? [host] : [])])
  const server = await ensureServerCertificate(files, authority.pair, named, now)
  return {
    ca: files.caCertificate,
    cert: files.certificate,
    key: files.key,
    authority: authority.outcome,
    ...(authority.reason !== undefined && { reason: authority.reason }),
    issued: server.issued,
    names: namesOf(server.pair.certificate).map(({ value }) => value),
    ...(host !== undefined && !includes(permitted, host) && { unnamedHost: host.value }),
    renewAt: new Date(server.pair.certificate.notAfter.getTime() - serverRenewedBefore),
  }
}

interface Authority {
  pair: KeyPair
  outcome: PrivateCa['authority']
  reason?: string
}

async function ensureAuthority(
  files: Paths,
  wanted: ServerName[],
  host: ServerName | undefined,
  now: Date,
): Promise<Authority> {
  const certificate = await readIfThere(files.caCertificate)
  const key = await readIfThere(files.caKey)
  const held = readKeyPair(certificate ?? '', key ?? '')
  const missing = held && wanted.find((name) => !includes(namesPermittedBy(held.certificate), name))
  if (held !== undefined && missing === undefined) {
    if (isGoodFor(held, caRenewedBefore, now)) return { pair: held, outcome: 'kept' }
    return { pair: await renewAuthority(files, held, now), outcome: 'renewed' }
  }
  // Clients trust it still: whoever has to find out what they trust, finds it.
  if (certificate !== undefined) await moveFile(files.caCertificate, `${files.caCertificate}.old`)
  if (key !== undefined) await moveFile(files.caKey, `${files.caKey}.old`)
  const pair = await createAuthority(files, distinct(host === undefined ? wanted : [...wanted, host]), now)
  if (certificate === undefined) return { pair, outcome: 'created' }
  const reason = missing
    ? `the CA there does not permit ${missing.value}`
    : 'ca.crt and ca.key are damaged or do not belong together'
  return { pair, outcome: 'created', reason }
}

/** Key before certificate: interrupted in between, the two do not match and the next call starts again. */
async function createAuthority(files: Paths, names: ServerName[], now: Date): Promise<KeyPair> {
  const key = await generateKey()
  const certificate = await issueCaCertificate({ subject: newCaSubject(), key, names, now })
  await write(files, 'caKey', pem(key))
  await write(files, 'caCertificate', pemOf(certificate))
  return { certificate, key }
}

async function renewAuthority(files: Paths, { certificate, key }: KeyPair, now: Date): Promise<KeyPair> {
  const names = namesPermittedBy(certificate)
  const renewed = await issueCaCertificate({ subject: certificate.subject, key, names, now })
  await write(files, 'caCertificate', pemOf(renewed))
  return { certificate: renewed, key }
}

/** A certificate that names more than is wanted is kept: two processes on different hosts would else take turns. */
async function ensureServerCertificate(
  files: Paths,
  ca: KeyPair,
  names: ServerName[],
  now: Date,
): Promise<{ pair: KeyPair; issued: boolean }> {
  const held = readKeyPair((await readIfThere(files.certificate)) ?? '', (await readIfThere(files.key)) ?? '')
  if (
    held !== undefined &&
    isIssuedBy(held.certificate, ca) &&
    isGoodFor(held, serverRenewedBefore, now) &&
    names.every((name) => includes(namesOf(held.certificate), name))
  ) {
    return { pair: held, issued: false }
  }
  const key = await generateKey()
  const certificate = await issueServerCertificate({ ca, key, names, now })
  await write(files, 'key', pem(key))
  await write(files, 'certificate', pemOf(certificate))
  return { pair: { certificate, key }, issued: true }
}

/** With a last line end, so that files of certificates can be joined as they are. */
function pemOf(certificate: KeyPair['certificate']): string {
  return `${certificate.toString('pem')}\n`
}

function isGoodFor({ certificate }: KeyPair, remaining: number, now: Date): boolean {
  return certificate.notBefore <= now && certificate.notAfter.getTime() - now.getTime() >= remaining
}

function serverName(text: string): ServerName {
  const name = parseServerName(text)
  if (name === undefined) throw new RangeError(`"${text}" is neither a DNS name nor an IP address`)
  return name
}

function includes(names: ServerName[], wanted: ServerName): boolean {
  return names.some(({ type, value }) => type === wanted.type && value === wanted.value)
}

function distinct(names: ServerName[]): ServerName[] {
  return names.filter((name, index) => !includes(names.slice(0, index), name))
}

interface Paths {
  caCertificate: string
  caKey: string
  certificate: string
  key: string
}

function pathsIn(directory: string): Paths {
  return {
    caCertificate: join(directory, 'ca.crt'),
    caKey: join(directory, 'ca.key'),
    certificate: join(directory, 'server.crt'),
    key: join(directory, 'server.key'),
  }
}

/** Each file is on disk before the next one is written, so that a crash leaves no order but the one it was written in. */
async function write(files: Paths, name: keyof Paths, content: string): Promise<void> {
  await replaceFile(files[name], content, name === 'caKey' || name === 'key' ? 0o600 : 0o644)
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
