import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compare, median, type Rounds, type Subject } from './compare.ts'
import { fillDataFolder, signaturesPerDigest } from './data-folder.ts'
import { circumstances, installed, type Program } from './installed.ts'
import { copyingByLftp, copyingByLog } from './mirrors.ts'
import { coldClients, coldNew, coldResumed, keptAlive, startServers, warmUp } from './reads.ts'
import { table } from './report.ts'
import { shellLoop, signers, uploading } from './uploads.ts'
import { gpgVerifying, keysInKeyring, verifying } from './verifying.ts'
import { startLookaside } from './web-servers.ts'
import { wrkClients } from './wrk.ts'

const usage = `npm run bench -- [read] [cold] [upload] [verify] [mirror] [options]      default: read upload

read          signatures read over connections that are kept alive, beside nginx and Caddy on the same tree
cold          clients that connect, read the signatures of one image and close, beside the same
upload        signatures uploaded, beside a shell loop of gpg --verify and a durable rename
verify        what a keyring of many keys adds to an upload, by algorithm, beside gpg --verify
mirror        all signatures copied from one server to an empty place, by its change log, beside lftp over its tree

--rounds N    how often each is measured, in turn with the others (default: 5)
--seconds N   for how long each time (default: 4)
--digests N   how many there are to read, of two signatures each (default: 20000)
--data DIR    the data folder to read; filled if it is empty, and kept (default: a new one, removed afterwards)
--quick       one round of a second over a few digests: shows whether it works, and no more

What it needs for itself is in the system's temporary folder (TMPDIR), which should be on the disk of interest.
`

const benchmarks = ['read', 'cold', 'upload', 'verify', 'mirror'] as const
/** statfs(2): the type of a file system in memory. */
const tmpfs = 0x01021994

type Benchmark = (typeof benchmarks)[number]

interface Settings {
  rounds: Rounds
  digests: number
  dataFolder: string
  /** Empty, and removed at the end. */
  scratch: string
}

async function main(argv: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      digests: { type: 'string', default: '20000' },
      data: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const unknown = positionals.find((name) => !(benchmarks as readonly string[]).includes(name))
  if (values.help || unknown !== undefined) {
    console.log(usage)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const wanted: readonly Benchmark[] = positionals.length ? (positionals as Benchmark[]) : ['read', 'upload']
  const scratch = mkdtempSync(join(tmpdir(), 'lookaside-bench-'))
  const settings = {
    rounds: values.quick
      ? { count: 1, seconds: 1 }
      : { count: Number(values.rounds), seconds: Number(values.seconds) },
    digests: values.quick ? 200 : Number(values.digests),
    dataFolder: values.data ?? join(scratch, 'data'),
    scratch,
  }
  console.log(`${circumstances()}\n`)
  try {
    if (wanted.includes('read') || wanted.includes('cold')) await benchReads(wanted, settings)
    if (wanted.includes('upload')) await benchUploads(settings)
    if (wanted.includes('verify')) await benchVerifying(settings)
    if (wanted.includes('mirror')) await benchMirrors(settings)
    sayWhatIsMissing(wanted)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function benchReads(
  wanted: readonly Benchmark[],
  { rounds, digests, dataFolder, scratch }: Settings,
): Promise<void> {
  const directories = await fillDataFolder(dataFolder, digests, (done) => progress('filling', done, digests))
  const paths = join(scratch, 'paths')
  writeFileSync(paths, `${directories.join('\n')}\n`)
  const wrk = installed('wrk')
  const servers = await startServers(dataFolder, scratch)
  const tree = `${directories.length} digests of ${signaturesPerDigest} signatures, over TLS`
  try {
    await warmUp(servers, directories)
    if (wanted.includes('read') && wrk)
      await run(
        `Read: ${tree}, kept alive, ${wrkClients} clients, one 404 in three`,
        'requests',
        keptAlive(servers, wrk, paths),
        rounds,
      )
    if (!wanted.includes('cold')) return
    await run(
      `Cold: ${tree}; connect (a new session), 3 reads, close; ${coldClients} at once`,
      'clients',
      coldNew(servers, paths),
      rounds,
    )
    if (wrk)
      await run(
        'Cold again, by wrk, which resumes the session',
        'clients',
        coldResumed(servers, wrk, paths),
        rounds,
      )
  } finally {
    await servers.stop()
  }
}

async function benchUploads({ rounds, scratch }: Settings): Promise<void> {
  const dataFolder = join(scratch, 'uploads')
  const [gpg, bash] = [installed('gpg'), installed('bash')]
  const server = await startLookaside(dataFolder)
  const loop = gpg && bash ? shellLoop(join(scratch, 'loop'), { gpg, bash }) : null
  try {
    const us = uploading(server, dataFolder)
    await run(
      `Upload: ${signers} signers over TLS, each upload durable before its answer`,
      'uploads',
      loop ? [loop, us] : [us],
      rounds,
    )
    const delay = median(us.delays) ?? 0
    console.log(`The tree was complete ${delay.toFixed(1)} s after the last upload of a round.\n`)
    if (statfsSync(scratch).type === tmpfs)
      console.log('The temporary folder is in memory: being durable costs nothing there. Set TMPDIR.\n')
  } finally {
    loop?.stop()
    await server.stop()
  }
}

async function benchVerifying({ rounds, scratch }: Settings): Promise<void> {
  const gpg = installed('gpg')
  const peer = gpg ? gpgVerifying(join(scratch, 'verifying'), gpg) : null
  try {
    await run(
      `Verify: one signature by a keyring of ${keysInKeyring} keys, on one thread`,
      'signatures',
      [...(peer ? [peer] : []), ...(await verifying())],
      rounds,
    )
  } finally {
    peer?.stop()
  }
}

async function benchMirrors({ rounds, digests, dataFolder, scratch }: Settings): Promise<void> {
  await fillDataFolder(dataFolder, digests, (done) => progress('filling', done, digests))
  const lftp = installed('lftp')
  const server = await startLookaside(dataFolder)
  try {
    const signatures = digests * signaturesPerDigest
    const copied = { server, ca: join(dataFolder, 'tls/ca.crt'), signatures, scratch }
    const us = copyingByLog(copied)
    const title = `Mirror: ${signatures} signatures of ${digests} digests, over TLS, from empty`
    const subjects = lftp ? [copyingByLftp(copied, lftp), us] : [us]
    await run(title, 'signatures', subjects, { ...rounds, warmUp: false })
    console.log(`${us.name} had ${Math.max(...us.peaks).toFixed(0)} MiB in memory at most.\n`)
  } finally {
    await server.stop()
  }
}

async function run(title: string, unit: string, subjects: Subject[], rounds: Rounds): Promise<void> {
  const comparisons = await compare(subjects, rounds, (done, total) => progress('measuring', done, total))
  const length = rounds.warmUp === false ? '' : ` of ${rounds.seconds} s`
  console.log(`${title}; ${rounds.count} rounds${length}`)
  console.log(`${table(unit, comparisons)}\n`)
}

function sayWhatIsMissing(wanted: readonly Benchmark[]): void {
  const needs: [Program, Benchmark[], string][] = [
    ['nginx', ['read', 'cold'], 'nginx, so that ratios are to lookaside itself'],
    ['caddy', ['read', 'cold'], 'Caddy'],
    ['wrk', ['read'], 'reads over connections that are kept alive'],
    ['wrk', ['cold'], 'cold clients that resume their session'],
    ['gpg', ['upload'], 'the shell loop'],
    ['gpg', ['verify'], 'gpg --verify'],
    ['bash', ['upload'], 'the shell loop'],
    ['lftp', ['mirror'], 'lftp over the tree'],
  ]
  for (const [program, benchmarks, what] of needs)
    if (!installed(program) && benchmarks.some((benchmark) => wanted.includes(benchmark)))
      console.log(`Left out, as ${program} is not installed: ${what}`)
}

function progress(what: string, done: number, total: number): void {
  if (process.stderr.isTTY) process.stderr.write(done < total ? `\r${what} ${done}/${total} ` : '\r\x1b[K')
}

await main(process.argv.slice(2))
