/**
 * Runs jobs in the order in which they come, at most so many in each turn of the event loop: whoever else is to be answered
 * waits for these, and not for all that came at once. On a thread that has nothing else to do a turn takes microseconds.
 */
export function inTurns(perTurn: number): (job: () => void) => void {
  const waiting: (() => void)[] = []
  const turn = () => {
    const jobs = waiting.splice(0, perTurn)
    if (waiting.length) setImmediate(turn)
    for (const job of jobs) job()
  }
  return (job) => {
    // Where others wait, the next turn is planned already.
    if (waiting.push(job) === 1) setImmediate(turn)
  }
}
