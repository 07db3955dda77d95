import type { Fetched } from './source.ts'

/** What keeps a source from being read: it is tried again. The message is one line without secrets. */
export class SourceTrouble extends Error {
  override readonly name = 'SourceTrouble'
  /** How long it asked to be left alone; 0: it did not. */
  readonly retryAfterSeconds: number

  constructor(message: string, options: { cause?: unknown; retryAfterSeconds?: number } = {}) {
    super(message, options)
    this.retryAfterSeconds = options.retryAfterSeconds ?? 0
  }
}

/** An answer is longer than what it is to be may be. */
export class AnswerTooLong extends SourceTrouble {
  readonly maxBytes: number
  readonly answer: Omit<Fetched, 'body'>

  constructor(maxBytes: number, answer: Omit<Fetched, 'body'>) {
    super(`its answer is longer than ${maxBytes} bytes`)
    this.maxBytes = maxBytes
    this.answer = answer
  }
}

/** The source looks as if it had lost what it had: nothing is taken away until a person says that this is right. */
export class HeldBack extends Error {
  override readonly name = 'HeldBack'
  /** Signatures that it does not have any more, and that it has. */
  readonly missing: number
  readonly seen: number

  constructor({ missing, seen }: { missing: number; seen: number }) {
    super(
      `the source has ${seen} of ${missing + seen} signatures that it had: nothing is taken away until that is confirmed with --accept-removals`,
    )
    this.missing = missing
    this.seen = seen
  }
}

const lineLength = 300

/** Of an error, for a status or a log: it may quote what a source sent. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, lineLength)
}
