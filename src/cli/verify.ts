import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { parseDuration } from '../access/token.ts'
import type { Instance } from '../manifests/instances.ts'
import { printable } from '../printable.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference, identityOf, parseReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'
import { type Cli, note, print, printJson } from './cli.ts'
import { type ExitCode, exit, exitCodeOf } from './exit.ts'
import { type DigestOptions, digestOf, manifestsOf, onImage } from './image.ts'
import { type Judge, type Judgement, type JudgeOptions, judgeOf } from './judge.ts'
import { reportLines } from './report-text.ts'
import { onServer } from './server-options.ts'

interface VerifyOptions extends JudgeOptions, DigestOptions {
  wait?: string
  json?: boolean
}

export function verifyCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onImage(onServer(new Command('verify')))
    .description('is an image signed as a policy asks, and if not, what is missing')
    .argument('<image>', 'as clients name it; name:tag@digest names the digest as well')
    .option('--policy <file>', 'a policy.json, as clients have it')
    .option(
      '--keys <file>',
      'instead of a policy: a signature by any key in it is enough; may be given again',
      another,
    )
    .option('--gate <name>', 'instead of a policy: a gate of the server')
    .option('--config <file>', 'with --gate: the configuration that has the gate, instead of the server')
    .option('--tree <dir>', 'read the signatures there, without a server')
    .option('--bundle <file>', 'read the signatures in that bundle, without a server')
    .option('--prefix <path>', 'where the signatures of that registry are kept, if not at the top')
    .option('--wait <duration>', 'until it passes, such as 10m: then the answer is no')
    .option('--json', 'print a JSON document')
    .action(async (image: string, options: VerifyOptions) => ends(await verify(cli, image, options)))
}

/** Of an option that may be given again. */
function another(value: string, earlier: string[] = []): string[] {
  return [...earlier, value]
}

async function verify(cli: Cli, image: string, options: VerifyOptions): Promise<ExitCode> {
  const judge = judgeOf(cli, options)
  const patience = options.wait === undefined ? 0 : parseDuration(options.wait) * 1000
  const named = parseReference(image)
  const target = await targetOf(cli, named, options)
  const answer = await passing(() => answerFor(named, target, judge), patience)
  if (options.json) printJson(documentOf(answer))
  else tell(named, answer)
  const { manifest, instances } = answer
  const warnings = [manifest, ...instances.map(({ judgement }) => judgement)].flatMap((each) => each.warnings)
  for (const warning of new Set(warnings)) note(printable(`lookaside: ${warning}`))
  return answer.passed ? exit.done : exit.no
}

/** A manifest, and the images in it where it is an index. */
interface Target {
  digest: Digest
  instances: Instance[]
}

async function targetOf(cli: Cli, named: ImageReference, options: VerifyOptions): Promise<Target> {
  const found = await manifestsOf(named, options, cli.env)
  if (!found) return { digest: await digestOf(named, options, cli.env), instances: [] }
  // Nobody runs an attestation, so that nobody asks for its signatures.
  const instances = found.isIndex ? found.instances.filter(({ isAttestation }) => !isAttestation) : []
  if (found.isIndex && !instances.length)
    throw new Refusal('manifest', `The index ${found.digest} has no image in it: nothing could be verified`)
  return { digest: found.digest, instances }
}

interface Answer {
  passed: boolean
  manifest: Judgement
  instances: { platform: string | null; judgement: Judgement }[]
}

/** Clients verify the image that they run, and never the index that led to it; a gate may ask for both. */
async function answerFor(
  named: ImageReference,
  { digest, instances }: Target,
  judge: Judge,
): Promise<Answer> {
  const manifest = await judge(named, digest)
  const judged: Answer['instances'] = []
  for (const instance of instances) {
    // By its own digest where the image has no tag: that of the index is the name of another manifest.
    const judgement = await judge(named, instance.digest)
    judged.push({ platform: instance.platform, judgement })
  }
  const isAsked = !instances.length || manifest.index === 'required'
  const passed = (manifest.passed || !isAsked) && judged.every(({ judgement }) => judgement.passed)
  return { passed, manifest, instances: judged }
}

const pauseMilliseconds = 1000

/** The first answer that passes, or the last one before patience ends. A server that is away meanwhile may come back. */
async function passing(ask: () => Promise<Answer>, patience: number): Promise<Answer> {
  const deadline = Date.now() + patience
  for (let isWaiting = false; ; isWaiting = true) {
    const left = () => deadline - Date.now()
    try {
      const answer = await ask()
      if (answer.passed || left() <= 0) return answer
    } catch (error) {
      if (exitCodeOf(error) !== exit.failure || left() <= 0) throw error
    }
    if (!isWaiting) note('lookaside: it does not pass yet; waiting')
    await sleep(Math.min(pauseMilliseconds, Math.max(0, left())))
  }
}

function tell(named: ImageReference, { passed, manifest, instances }: Answer): void {
  const say = (line: string) => print(printable(line))
  const isTagged = named.tag !== undefined
  const name = formatReference(identityOf(named, manifest.digest as Digest))
  const by = manifest.gate === undefined ? manifest.scope : `${manifest.gate} (${manifest.scope})`
  say(`${name}${isTagged ? ` ${manifest.digest}` : ''}, by ${by}`)
  if (!instances.length) {
    for (const line of reportLines(manifest)) say(line)
    print(passed ? 'passed' : 'not passed')
    return
  }
  for (const { platform, judgement } of instances) {
    say(`${platform ?? 'no platform'} ${judgement.digest}: ${judgement.passed ? 'passed' : 'not passed'}`)
    for (const line of reportLines(judgement)) say(`  ${line}`)
  }
  const isAsked = manifest.index === 'required'
  say(
    `index ${manifest.digest}: ${manifest.passed ? 'passed' : 'not passed'}${isAsked ? '' : ', not asked for'}`,
  )
  if (isAsked) for (const line of reportLines(manifest)) say(`  ${line}`)
  print(passed ? 'passed' : notPassed(instances))
}

function notPassed(instances: Answer['instances']): string {
  const missing = instances.filter(({ judgement }) => !judgement.passed)
  if (!missing.length) return 'not passed: the index itself is not signed as asked'
  const names = missing.map(({ platform, judgement }) => platform ?? judgement.digest)
  return printable(
    `not passed: ${missing.length} of ${instances.length} images are not signed as asked: ${names.join(', ')}`,
  )
}

/** Of an index: what came of it and of each image in it. */
function documentOf({ passed, manifest, instances }: Answer): unknown {
  if (!instances.length) return shown(manifest)
  const { image, digest, gate } = manifest
  return {
    ...(gate !== undefined && { gate }),
    image,
    digest,
    passed,
    index: { required: manifest.index === 'required', ...shown(manifest) },
    instances: instances.map(({ platform, judgement }) => ({ platform, ...shown(judgement) })),
  }
}

function shown({ warnings, index, ...document }: Judgement) {
  return document
}
