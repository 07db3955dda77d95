import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Refusal } from '../refusal.ts'

/** What TLS with a registry takes beside the CAs of the system; all in PEM. */
export interface RegistryCertificates {
  ca: string[]
  clients: { certificate: string; key: string }[]
}

/**
 * The certificates for a registry in the first folder of these that exists, as c/image reads them
 * (docker/docker_client.go, `dockerCertDir`; pkg/tlsclientconfig; containers-certs.d(5)). `host` is as in the name of the
 * image: docker.io, or with its port.
 * @throws Refusal configuration
 */
export async function registryCertificates(
  host: string,
  { configHome, root = '/' }: { configHome: string; root?: string },
): Promise<RegistryCertificates> {
  const folders = [
    join(configHome, 'containers/certs.d'),
    join(root, 'etc/containers/certs.d'),
    join(root, 'etc/docker/certs.d'),
  ]
  for (const folder of folders) {
    const files = await listFolder(join(folder, host))
    if (files) return readFolder(join(folder, host), files)
  }
  return { ca: [], clients: [] }
}

async function readFolder(folder: string, files: string[]): Promise<RegistryCertificates> {
  const read = (file: string) => readPem(join(folder, file))
  const named = (ending: string) => files.filter((file) => file.endsWith(ending))
  return {
    ca: await Promise.all(named('.crt').map(read)),
    clients: await Promise.all(
      named('.cert').map(async (file) => ({
        certificate: await read(file),
        key: await read(file.replace(/cert$/, 'key')),
      })),
    ),
  }
}

/** Null for a folder that is not there, or not for this user. */
async function listFolder(folder: string): Promise<string[] | null> {
  try {
    return (await readdir(folder)).sort()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EACCES') return null
    throw new Refusal('configuration', `${folder} cannot be read: ${message}`, { cause })
  }
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new Refusal('configuration', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
