import { isFull } from '../durable/file-trouble.ts'
import { Refusal } from '../refusal.ts'

/**
 * The refusal for what keeps something from being written: a full disk is no mistake of the caller. `what` names it as it
 * was asked for; the path in the error may be that of a file on its way there.
 */
export function unwritable(what: string, cause: unknown): Refusal {
  const { code, message } = cause as NodeJS.ErrnoException
  const reason = message.replace(/, [a-z]+(?: '.*)?$/s, '')
  return new Refusal(isFull(code) ? 'disk-full' : 'configuration', `${what}: ${reason}`, { cause })
}
