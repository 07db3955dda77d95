import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { start, succeed } from './program.ts'

export interface Registry {
  /** As image names have it: localhost and a port. */
  host: string
  /** The certificate that clients must trust. */
  ca: string
}

/** An empty docker-registry, with a certificate of its own. */
export async function startRegistry(folder: string): Promise<Registry> {
  const home = join(folder, 'registry')
  mkdirSync(home)
  const certificate = join(home, 'registry.crt')
  const key = join(home, 'registry.key')
  await succeed('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '2'],
    ...['-subj', '/CN=registry', '-addext', 'subjectAltName=DNS:localhost'],
    ...['-keyout', key, '-out', certificate],
  ])
  const configuration = join(home, 'config.json')
  // YAML has JSON in it.
  writeFileSync(
    configuration,
    JSON.stringify({
      version: '0.1',
      storage: { filesystem: { rootdirectory: join(home, 'storage') } },
      http: { addr: 'localhost:0', tls: { certificate, key } },
    }),
  )
  const listening = (line: string) => /listening on \S+:(\d+), tls/.exec(line)?.[1]
  const { readiness: port } = await start('docker-registry', ['serve', configuration], listening)
  return { host: `localhost:${port}`, ca: certificate }
}
