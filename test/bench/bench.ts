import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchmarks } from './benchmarks.ts'
import { circumstances, installed, type Program } from './installed.ts'
import { writeResults } from './results.ts'
import type { Benchmark, Settings } from './settings.ts'

const usage = `npm run bench -- [BENCHMARK...] [options]      default: read upload

read          signatures read over connections that are kept alive, beside nginx and Caddy on the same tree
cold          clients that connect, read the signatures of one image and close, beside the same
flood         reads of one client who stays, while others connect as fast as they can, beside the same
upload        signatures uploaded and verified, beside a shell loop of gpg --verify and a durable rename
mixed         reads alone and while 500 signatures a second are uploaded, beside nginx and files that come into its tree
scale         reads, start, memory, queries and uploads with many signatures, beside the same with 10,000
mirror        all signatures copied from one server to an empty place, by its change log, beside lftp over its tree
verify        what a keyring of many keys adds to an upload, by algorithm, beside gpg --verify

--rounds N    how often each is measured, in turn with the others (default: 5)
--seconds N   for how long each time (default: 4)
--digests N   how many there are to read, of two signatures each (default: 20000; scale: 500000)
--data DIR    the data folder to read; filled if it is empty, and kept (default: a new one, removed afterwards); scale
              adds to what is there, and needs one of its own
--workers N   how many processes serve, of lookaside (default: auto, as it comes)
--quick       one round of a second over a few digests: shows whether it works, and no more
--write       puts the results into docs/performance.md, in place of those of the same benchmark there

What it needs for itself is in the system's temporary folder (TMPDIR), which should be on the disk of interest: up to
1 GB, and for scale 3 GB for each million signatures.
`

type Name = keyof typeof benchmarks

const results = join(import.meta.dirname, '../../docs/performance.md')

const options = {
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '4' },
  digests: { type: 'string' },
  data: { type: 'string' },
  workers: { type: 'string', default: 'auto' },
  quick: { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values']

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
  const unknown = positionals.find((name) => !(name in benchmarks))
  if (values.help || unknown !== undefined || (values.quick && values.write)) {
    console.log(usage)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const scratch = mkdtempSync(join(tmpdir(), 'lookaside-bench-'))
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  console.log(`${circumstances()}\n`)
  const wanted = (positionals.length ? positionals : ['read', 'upload']) as Name[]
  for (const name of wanted) await runBenchmark(name, values, scratch)
}

async function runBenchmark(name: Name, values: Values, scratch: string): Promise<void> {
  const said: string[] = []
  const say = (text: string) => {
    said.push(text)
    console.log(`${text}\n`)
  }
  const own = join(scratch, name)
  mkdirSync(own)
  const benchmark: Benchmark = benchmarks[name]
  await benchmark.run({
    ...settingsOf(values),
    dataFolder: values.data ?? dataFolderOf(name, scratch),
    scratch: own,
    say,
  })
  for (const [program, what] of Object.entries(benchmark.without))
    if (!installed(program as Program)) say(`Left out, as ${program} is not installed: ${what}`)
  rmSync(own, { recursive: true })
  if (values.write)
    writeResults(results, name, { command: commandOf(name, values), circumstances: circumstances(), said })
}

/** Those that only read share one. */
function dataFolderOf(name: Name, scratch: string): string {
  return name === 'scale' ? join(scratch, name, 'data') : join(scratch, 'data')
}

function settingsOf({
  rounds,
  seconds,
  digests,
  quick,
  workers,
}: Values): Omit<Settings, 'dataFolder' | 'scratch' | 'say'> {
  return {
    rounds: quick
      ? { count: 1, seconds: 1, warmUp: false }
      : { count: Number(rounds), seconds: Number(seconds) },
    digests: digests === undefined ? null : Number(digests),
    quick,
    workers,
  }
}

/** What was not said otherwise is left out, and where the data were. */
function commandOf(name: Name, values: Values): string {
  const flags = (['rounds', 'seconds', 'digests', 'workers'] as const).flatMap((flag) => {
    const { default: usual } = options[flag] as { default?: string }
    return values[flag] === undefined || values[flag] === usual ? [] : [`--${flag} ${values[flag]}`]
  })
  return ['npm run bench --', name, ...flags].join(' ')
}

await main(process.argv.slice(2))
