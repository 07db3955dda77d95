import type { GateAnswer } from '../admission/gates.ts'
import { repositoryOf } from '../admission/place.ts'
import { treePrefix } from '../http/reads.ts'
import { evaluateImage } from '../policy/evaluate-image.ts'
import type { GateRules } from '../policy/gate.ts'
import type { Report } from '../policy/report.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference, identityOf } from '../reference/reference.ts'
import { parseRepository, type Repository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { loadAllTrust, loadTrust, type Trust, trustInKeys } from '../trust/trust.ts'
import type { Cli } from './cli.ts'
import {
  findSignatures,
  type ReadSlot,
  slotsIn,
  slotsInBundle,
  type UnreadableSlot,
} from './found-signatures.ts'
import { configOf } from './options.ts'
import { problemError, serverClient, slotReader } from './server-client.ts'
import { type ServerOptions, serverAccess } from './server-options.ts'

/** What is asked of an image, and where its signatures are. */
export interface JudgeOptions extends ServerOptions {
  policy?: string
  keys?: string[]
  gate?: string
  config?: string
  tree?: string
  bundle?: string
  prefix?: string
}

export interface Judgement extends Report {
  gate?: string
  /** Whether an index must pass like its children. */
  index: GateRules['index']
  unreadable: { slot: number; code: string; detail: string; failsClients: boolean }[]
  /** For people; not part of the document. */
  warnings: string[]
}

/** Judges one manifest of an image, as of now. */
export type Judge = (named: ImageReference, digest: Digest) => Promise<Judgement>

/** @throws Refusal configuration where the options do not say what is asked, or say it twice */
export function judgeOf(cli: Cli, options: JudgeOptions): Judge {
  const { policy, keys, gate, config, tree, bundle, prefix } = options
  if ([policy, keys, gate].filter((asked) => asked !== undefined).length !== 1)
    throw new Refusal(
      'configuration',
      'Say what is asked of the image: --policy FILE, --keys FILE, or --gate NAME of the server',
    )
  if (tree !== undefined && bundle !== undefined)
    throw new Refusal('configuration', 'Name one of --tree and --bundle')
  if (config !== undefined && gate === undefined)
    throw new Refusal('configuration', '--config is for --gate: it says what the gate asks')
  if (gate === undefined) return judgeHere(cli, options)
  if (prefix !== undefined)
    throw new Refusal('configuration', 'Who has the gate knows where signatures are kept: leave --prefix out')
  if (config !== undefined) return judgeHere(cli, options)
  if (tree !== undefined || bundle !== undefined)
    throw new Refusal('configuration', 'Without a server, --gate needs the --config that says what it asks')
  return askServer(cli, options, gate)
}

function askServer(cli: Cli, options: JudgeOptions, gate: string): Judge {
  const send = serverClient(serverAccess(cli.env, options))
  return async (named, digest) => {
    const image = formatReference(identityOf(named, digest))
    const query = { image, digest }
    const path = `/api/v1/gates/${encodeURIComponent(gate)}`
    const answer = await send({ method: 'GET', path, query })
    if ('problem' in answer) {
      const { code, detail } = answer.problem
      throw code === 'not-found' ? new Refusal('configuration', detail) : problemError(answer.problem)
    }
    const document = answer.document as unknown as GateAnswer
    const isAnswer = document.gate === gate && document.image === image && document.digest === digest
    if (!isAnswer || typeof document.passed !== 'boolean' || !Array.isArray(document.requirements))
      throw new Error('This is not a lookaside server: it does not answer what a gate was asked')
    return { ...document, unreadable: [], warnings: [] }
  }
}

/** What of the files is asked; they are read anew each time, as they may change while one waits. */
interface Asked {
  trust: Trust
  rules: GateRules
  repositoryOf(image: ImageReference): Repository
}

const nothingMore: GateRules = { thresholds: [], maxAge: null, index: 'ignored' }

async function askedBy(cli: Cli, { policy, keys, gate, config: file, prefix }: JudgeOptions): Promise<Asked> {
  if (gate !== undefined) {
    const config = configOf(cli, { config: file as string })
    const rules = Object.hasOwn(config.gates, gate) ? config.gates[gate] : undefined
    if (!rules) throw new Refusal('configuration', `${file} has no gate ${gate}`)
    return {
      trust: await loadAllTrust(rules.policy, { thresholds: rules.thresholds, pipes: true }),
      rules,
      repositoryOf(image) {
        const repository = repositoryOf(image, config.registries)
        if (repository instanceof Refusal) throw repository
        return repository
      },
    }
  }
  return {
    trust: policy !== undefined ? await loadTrust(policy, { pipes: true }) : trustInKeys(keys as string[]),
    rules: nothingMore,
    repositoryOf: ({ path }) =>
      prefix === undefined ? path : parseRepository(`${parseRepository(prefix)}/${path}`),
  }
}

function judgeHere(cli: Cli, options: JudgeOptions): Judge {
  return async (named, digest) => {
    const { trust, rules, repositoryOf } = await askedBy(cli, options)
    const { signatures, unreadable } = await findSignatures(
      { kind: 'repository', name: repositoryOf(named), digest },
      readerOf(cli, options),
    )
    const image = identityOf(named, digest)
    const report = await evaluateImage(trust, { image, digest, signatures, maxAge: rules.maxAge })
    return {
      ...(options.gate !== undefined && { gate: options.gate }),
      index: rules.index,
      ...report,
      ...(options.keys && { scope: '--keys' }),
      passed: report.passed && !unreadable.some(({ failsClients }) => failsClients),
      unreadable: unreadable.map(shownUnreadable),
      warnings: trust.warnings,
    }
  }
}

function shownUnreadable({ slot, refusal: { code, message }, failsClients }: UnreadableSlot) {
  return { slot, code, detail: message, failsClients }
}

function readerOf(cli: Cli, options: JudgeOptions): ReadSlot {
  if (options.tree !== undefined) return slotsIn(options.tree)
  if (options.bundle !== undefined) return slotsInBundle(options.bundle)
  const read = slotReader(serverAccess(cli.env, options))
  return (path) => read(`/${treePrefix}${path}`)
}
