import { Refusal } from '../refusal.ts'

/** Anybody may ask, and each answer takes its time: an upload waits for one of them at most. */
const maxQuestions = 32

/** Has one question answered at a time; what would make more wait than may is refused as `busy`. */
export function oneByOne() {
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()
  return {
    add<Result>(job: () => Promise<Result>): Promise<Result> {
      if (waiting >= maxQuestions)
        throw new Refusal('busy', 'Too many questions are waiting; ask again in a second')
      waiting++
      const result = last.then(job)
      last = result.catch(() => {}).finally(() => waiting--)
      return result
    },
  }
}
