import { printable } from '../printable.ts'
import { Refusal } from '../refusal.ts'
import { note, print, printJson } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { counter } from './progress.ts'
import { type Problem, problemError, type ServerClient, type ServerRequest } from './server-client.ts'

/** What the server says of a signature that it has withdrawn. */
export interface WithdrawnSignature {
  id: number
  repository: string
  digest: string
  identity: string
  change: number
}

/** One line each, up to so many; the documents have them all. */
const maxLines = 200

/**
 * Withdraws all that requests ask for: one has as much as an answer takes, and the next one the rest.
 * What an attempt may have withdrawn whose answer was lost is in no other answer: that is told on standard error.
 * @returns null where it is told there that the answer is no
 */
export async function withdrawAll(
  send: ServerClient,
  { first, rest }: { first: ServerRequest; rest: ServerRequest },
): Promise<WithdrawnSignature[] | null> {
  const all: WithdrawnSignature[] = []
  const progress = counter('withdrawn')
  let afterLost = false
  try {
    for (let request = first; ; ) {
      const answer = await send(request)
      afterLost ||= answer.afterLost ?? false
      if ('problem' in answer) return refused(answer.problem)
      const { withdrawn, next } = answer.document as { withdrawn: WithdrawnSignature[]; next: number | null }
      if (!Array.isArray(withdrawn) || !(next === null || next > Number(request.query?.after ?? 0)))
        throw new Error('This is not a lookaside server: it does not say what it has withdrawn')
      all.push(...withdrawn)
      progress.update(all.length)
      if (next === null) return all
      request = { ...rest, query: { ...rest.query, after: String(next) } }
    }
  } catch (error) {
    if (all.length) note(`lookaside: ${all.length} are withdrawn, and not all; the same command goes on`)
    throw error
  } finally {
    progress.stop()
    if (afterLost)
      note('lookaside: the answer to an earlier attempt was lost; what that may have withdrawn is not shown')
  }
}

export function tellWithdrawn(all: WithdrawnSignature[], json: boolean | undefined): void {
  if (json) {
    printJson(all)
    return
  }
  for (const { id, repository, digest } of all.slice(0, maxLines))
    print(`withdrawn ${printable(`${id} ${repository}@${digest}`)}`)
  if (all.length > maxLines) print(`… and ${all.length - maxLines} more`)
  note(all.length === 1 ? '1 signature withdrawn' : `${all.length} signatures withdrawn`)
}

/** What the server has decided is an answer; what it cannot read, or from whom, is wrong usage. */
export function refused(problem: Problem): null {
  if (![404, 409, 422].includes(problem.status)) throw problemError(problem)
  note(`lookaside: ${problem.code ?? problem.status}: ${problem.detail}`)
  return null
}

export function endOf(answer: unknown): ExitCode {
  return answer === null ? exit.no : exit.done
}

/** As people copy it: with spaces, or 0x before it. */
export function parseFingerprint(text: string): string {
  const hex = text.replaceAll(' ', '').replace(/^0x/, '').toUpperCase()
  if (/^([0-9A-F]{40}|[0-9A-F]{64})$/.test(hex)) return hex
  throw new Refusal(
    'configuration',
    `"${printable(text)}" is no fingerprint: 40 hex digits, or 64; \`gpg --fingerprint\` shows it`,
  )
}

/** The number of a signature, as lists show it. */
export function parseId(text: string): string {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return text
  throw new Refusal('configuration', `"${printable(text)}" is no number of a signature; \`list\` shows it`)
}
