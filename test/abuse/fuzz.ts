import { setImmediate } from 'node:timers/promises'
import { changes, mutants } from '../openpgp/mutate.ts'
import { type Random, randomFrom } from '../random.ts'
import { type Target, targets } from './targets.ts'

/**
 * Gives all that reads what anybody can have made inputs that are nearly right. `node test/abuse/fuzz.ts 1000000 7` tries a
 * million, the same ones for the same seed, and prints the figures, or the input that broke something.
 */

export interface Figures {
  inputs: number
  accepted: number
  /** Those that were accepted, for the first time in that form, and went on to be changed. */
  kept: number
  slowestMilliseconds: number
}

/** What inputs are put together from, beside what is in the seeds. */
const words = [
  ...[
    '..',
    '.',
    '/',
    '//',
    '%2e',
    '%2F',
    '%25',
    '%00',
    '\\',
    '@',
    '=',
    ':',
    '?',
    '#',
    '*',
    '**',
    '_',
    '__',
    '-',
    '\0',
    '\n',
    '\r\n',
  ],
  ...[
    '{',
    '}',
    '[',
    ']',
    '"',
    ',',
    '\\u0000',
    '\\ud800',
    '\\"',
    'null',
    'true',
    '-0',
    '1e999',
    '1e-999',
    '9007199254740993',
    '{}',
    '[]',
  ],
  ...[
    '__proto__',
    'constructor',
    'sha256',
    'sha512=',
    'sha256:',
    'signature-',
    'signatures/',
    'docker.io/',
    '\xef\xbb\xbf',
    '\xff',
    '\u00ad',
  ],
  ...['[[[[[[[[', '{"a":{"a":', 'a'.repeat(300), '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n', '\n=AAAA\n'],
].map((word) => Buffer.from(word, 'latin1'))

/** Of each target so many accepted inputs are changed again, if they have not grown long. */
const maxKept = 200
const maxKeptBytes = 16_384

function mutate(seeds: readonly Uint8Array[], random: Random): Uint8Array {
  let input = Buffer.from(random.pick(seeds))
  for (let times = 1 + random.below(3); times > 0 && input.length > 0; times--) {
    const at = random.below(input.length + 1)
    const word = random.pick(words)
    switch (random.below(4)) {
      case 0:
        input = Buffer.concat([input.subarray(0, at), word, input.subarray(at)])
        break
      case 1:
        input = Buffer.concat([input.subarray(0, at), word, input.subarray(at + word.length)])
        break
      case 2: {
        const other = random.pick(seeds)
        input = Buffer.concat([input.subarray(0, at), other.subarray(random.below(other.length + 1))])
        break
      }
      default:
        input = Buffer.from(random.pick(changes)(input, random))
    }
  }
  return input
}

async function tryTarget({ seeds, attempt }: Target, count: number, seed: number): Promise<Figures> {
  const figures: Figures = { inputs: 0, accepted: 0, kept: 0, slowestMilliseconds: 0 }
  const random = randomFrom(seed)
  const corpus = [...seeds]
  const blobs = mutants(count, seed)
  for (; figures.inputs < count; figures.inputs++) {
    // What zlib holds is let go between turns of the event loop.
    if (figures.inputs % 1000 === 0) await setImmediate()
    const input =
      seeds[figures.inputs] ?? (seeds.length ? mutate(corpus, random) : (blobs.next().value as Uint8Array))
    const start = performance.now()
    let isAccepted: boolean
    try {
      const result = attempt(input)
      isAccepted = typeof result === 'boolean' ? result : await result
    } catch (cause) {
      throw new Error(`over ${Buffer.from(input).toString('base64')}`, { cause })
    }
    figures.slowestMilliseconds = Math.max(figures.slowestMilliseconds, performance.now() - start)
    if (!isAccepted) continue
    figures.accepted++
    if (corpus.length >= seeds.length + maxKept || input.length > maxKeptBytes) continue
    corpus.push(input)
    figures.kept++
  }
  return figures
}

/** Throws where anything but a refusal is met. The figures are those of each target. */
export async function fuzz(count: number, seed: number): Promise<Record<string, Figures>> {
  const whole = Object.values(targets).reduce((sum, { weight = 1 }) => sum + weight, 0)
  const figures: Record<string, Figures> = {}
  for (const [name, target] of Object.entries(targets)) {
    const share = Math.ceil((count * (target.weight ?? 1)) / whole)
    try {
      figures[name] = await tryTarget(target, share, seed)
    } catch (error) {
      throw new Error(`${name} ${(error as Error).message}`, { cause: (error as Error).cause })
    }
  }
  return figures
}

if (import.meta.main) {
  const [count = '100000', seed = '1'] = process.argv.slice(2)
  const start = performance.now()
  console.table(await fuzz(Number(count), Number(seed)))
  const seconds = (performance.now() - start) / 1000
  console.log(
    `${(Number(count) / seconds).toFixed(0)} a second, ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB at most`,
  )
}
