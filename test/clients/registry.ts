import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { start, succeed } from './program.ts'

export interface Registry {
  /** As image names have it: localhost and a port. */
  host: string
  /** The certificate that clients must trust. */
  ca: string
}

export interface RegistryOptions {
  /** Of its folder. */
  name?: string
  /** Its configuration, `auth`: whom it answers. */
  auth?: Record<string, unknown>
  /** Whether it speaks TLS. */
  secure?: boolean
}

/** An empty docker-registry, with a certificate of its own. */
export async function startRegistry(
  folder: string,
  { name = 'registry', auth, secure = true }: RegistryOptions = {},
): Promise<Registry> {
  const home = join(folder, name)
  mkdirSync(home)
  const { certificate, key } = await newCertificate(home, name)
  const configuration = join(home, 'config.json')
  // YAML has JSON in it.
  writeFileSync(
    configuration,
    JSON.stringify({
      version: '0.1',
      storage: { filesystem: { rootdirectory: join(home, 'storage') }, delete: { enabled: true } },
      http: { addr: 'localhost:0', ...(secure && { tls: { certificate, key } }) },
      auth,
    }),
  )
  const listening = (line: string) => /listening on [^ "]+:(\d+)/.exec(line)?.[1]
  const { readiness: port } = await start('docker-registry', ['serve', configuration], listening)
  return { host: `localhost:${port}`, ca: certificate }
}

/** Files of a certificate for localhost, which is its own CA, and of its key. */
export async function newCertificate(
  folder: string,
  name: string,
): Promise<{ certificate: string; key: string }> {
  const certificate = join(folder, `${name}.crt`)
  const key = join(folder, `${name}.key`)
  await succeed('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost'],
    ...['-keyout', key, '-out', certificate],
  ])
  return { certificate, key }
}
