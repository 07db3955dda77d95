/** The processes that answer on one address, whichever of them a request meets. */
export interface Processes {
  /**
   * What each of them answers, in the order of their numbers, which those that take their places have after them. Null:
   * it is being restarted, or has not answered in time.
   */
  ask(question: string): Promise<{ worker: number; answer: unknown }[]>
  /** What this one answers: anything that can be written as JSON. */
  answer(question: string, answer: () => unknown): void
}

/** A process that is alone. */
export function oneProcess(): Processes {
  const answers = new Map<string, () => unknown>()
  return {
    ask: async (question) => [{ worker: 1, answer: (await answers.get(question)?.()) ?? null }],
    answer: (question, answer) => void answers.set(question, answer),
  }
}
