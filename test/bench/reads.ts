import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { treeOf } from '../../src/tree/tree.ts'
import type { Subject } from './compare.ts'
import { open, readImage, trusting } from './connection.ts'
import { installed } from './installed.ts'
import { measureLoad } from './load.ts'
import { startCaddy, startLookaside, startNginx, type WebServer } from './web-servers.ts'
import { readWithWrk } from './wrk.ts'

export interface Servers {
  /** Nginx as most run it first, where it is installed: it is what the others are compared with. */
  all: WebServer[]
  /** What clients must trust. */
  ca: string
  stop(): Promise<void>
}

/** Starts us and what is installed on the very same tree, with the same certificate. */
export async function startServers(dataFolder: string, scratch: string): Promise<Servers> {
  const all: WebServer[] = []
  const stop = async () => {
    await Promise.all(all.map((server) => server.stop()))
  }
  const certificate = (name: string) => join(dataFolder, 'tls', name)
  try {
    // It makes the certificate.
    const lookaside = await startLookaside(dataFolder)
    all.push(lookaside)
    const served = {
      tree: treeOf(dataFolder).root,
      cert: certificate('server.crt'),
      key: certificate('server.key'),
      scratch,
    }
    const [nginx, caddy] = [installed('nginx'), installed('caddy')]
    if (nginx) {
      all.unshift(await startNginx(nginx, served, { openFileCache: false }))
      all.splice(1, 0, await startNginx(nginx, served, { openFileCache: true }))
    }
    if (caddy) all.push(await startCaddy(caddy, served))
    return { all, ca: certificate('ca.crt'), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const warmingClients = 8

/** Has each server read everything once: what is measured afterwards is not what disks and caches do at first. */
export async function warmUp({ all, ca }: Servers, directories: string[]): Promise<void> {
  const context = trusting(readFileSync(ca, 'utf8'))
  for (const { port } of all) {
    const left = directories.values()
    const client = async () => {
      const connection = await open(port, context)
      for (const directory of left) await readImage(connection, directory)
      await connection.close()
    }
    await Promise.all(Array.from({ length: warmingClients }, client))
  }
}

/** `paths`: a file with the directories of the tree that are read, a line each. */
export function keptAlive({ all }: Servers, wrk: string, paths: string): Subject[] {
  return all.map((server) => ({
    name: server.name,
    measure: (seconds) => readWithWrk(wrk, server, { paths, seconds, cold: false }),
  }))
}

export function coldResumed({ all }: Servers, wrk: string, paths: string): Subject[] {
  return all.map((server) => ({
    name: server.name,
    measure: (seconds) => readWithWrk(wrk, server, { paths, seconds, cold: true }),
  }))
}

/** Four at once: enough for a server to have always something to do. */
export const coldClients = 4

export function coldNew({ all, ca }: Servers, paths: string): Subject[] {
  return all.map(({ name, port, pid }) => ({
    name,
    measure: (seconds) => measureLoad(pid, { kind: 'cold', port, ca, seconds, paths, clients: coldClients }),
  }))
}
