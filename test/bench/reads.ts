import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { treeOf } from '../../src/tree/tree.ts'
import type { Subject } from './compare.ts'
import { open, readImage, trusting } from './connection.ts'
import { fillDataFolder, signaturesPerDigest } from './data-folder.ts'
import { installed } from './installed.ts'
import { measureLoad } from './load.ts'
import { progress } from './report.ts'
import { type Benchmark, compareAndSay, type Settings } from './settings.ts'
import { startCaddy, startLookaside, startNginx, startNode, type WebServer } from './web-servers.ts'
import { readWithWrk, wrkClients } from './wrk.ts'

export const digestsToRead = ({ digests, quick }: Settings): number => digests ?? (quick ? 200 : 20_000)

export const withoutServers = {
  nginx: 'nginx, so that ratios are to lookaside itself',
  caddy: 'Caddy',
}

export const read: Benchmark = {
  without: { ...withoutServers, wrk: 'all of it' },
  async run(settings) {
    const wrk = installed('wrk')
    if (!wrk) return
    await withServers(settings, async ({ all }, { file: paths, title: tree }) => {
      const title = `Read: ${tree}, kept alive, ${wrkClients} clients, one 404 in three`
      const subjects = all.map((server) => ({
        name: server.name,
        measure: (seconds: number) => readWithWrk(wrk, server, { paths, seconds, cold: false }),
      }))
      await compareAndSay(settings, title, 'requests', subjects)
    })
  },
}

/** Four at once: enough for a server to have always something to do. */
const clients = 4

export const cold: Benchmark = {
  without: { ...withoutServers, wrk: 'cold clients that resume their session' },
  async run(settings) {
    const wrk = installed('wrk')
    await withServers(settings, async ({ all, ca }, { file: paths, title: tree }) => {
      const anew: Subject[] = all.map(({ name, port, pid }) => ({
        name,
        measure: (seconds) => measureLoad(pid, { kind: 'cold', port, ca, seconds, paths, clients }),
      }))
      const title = `Cold: ${tree}; connect (a new session), 3 reads, close; ${clients} at once`
      await compareAndSay(settings, title, 'clients', anew)
      if (!wrk) return
      const resumed = all.map((server) => ({
        name: server.name,
        measure: (seconds: number) => readWithWrk(wrk, server, { paths, seconds, cold: true }),
      }))
      await compareAndSay(settings, 'Cold again, by wrk, which resumes the session', 'clients', resumed)
    })
  },
}

interface Servers {
  /** Nginx as most run it first, where it is installed: it is what the others are compared with. */
  all: WebServer[]
  /** What clients must trust. */
  ca: string
}

interface ReadTree {
  /** Directories of its digests, as a client reads them, and a file with a line for each. */
  directories: string[]
  file: string
  title: string
}

/** Starts us and what is installed on the very same tree, with the same certificate, for as long as `use` takes. */
export async function withServers(
  settings: Settings,
  use: (servers: Servers, tree: ReadTree) => Promise<void>,
): Promise<void> {
  const { dataFolder, scratch, workers } = settings
  const digests = digestsToRead(settings)
  const directories = await fillDataFolder(dataFolder, digests, (done) => progress('filling', done, digests))
  const paths = join(scratch, 'paths')
  writeFileSync(paths, `${directories.join('\n')}\n`)
  const all: WebServer[] = []
  try {
    // It makes the certificate.
    const lookaside = await startLookaside(dataFolder, { workers })
    all.push(lookaside)
    const served = { tree: treeOf(dataFolder).root, ...certificateOf(dataFolder), scratch }
    const [nginx, caddy] = [installed('nginx'), installed('caddy')]
    if (nginx) {
      all.unshift(await startNginx(nginx, served, { openFileCache: false }))
      all.splice(1, 0, await startNginx(nginx, served, { openFileCache: true }))
    }
    if (caddy) all.push(await startCaddy(caddy, served))
    all.push(await startNode(served))
    const { ca } = certificateOf(dataFolder)
    for (const server of all) await readAll(server, ca, directories)
    await use(
      { all, ca },
      {
        file: paths,
        directories,
        title: `${directories.length} digests of ${signaturesPerDigest} signatures, over TLS`,
      },
    )
  } finally {
    await Promise.all(all.map((server) => server.stop()))
  }
}

/** Of a server that has started once: its own, and what clients must trust. */
export function certificateOf(dataFolder: string): { ca: string; cert: string; key: string } {
  const file = (name: string) => join(dataFolder, 'tls', name)
  return { ca: file('ca.crt'), cert: file('server.crt'), key: file('server.key') }
}

const readingClients = 8

/** Has a server read everything once: what is measured afterwards is not what disks and caches do at first. */
export async function readAll({ port }: WebServer, ca: string, directories: string[]): Promise<void> {
  const context = trusting(readFileSync(ca, 'utf8'))
  const left = directories.values()
  const client = async () => {
    const connection = await open(port, context)
    for (const directory of left) await readImage(connection, directory)
    await connection.close()
  }
  await Promise.all(Array.from({ length: readingClients }, client))
}
