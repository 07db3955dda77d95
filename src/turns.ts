/** In milliseconds. Nobody reads evenly where turns are longer, and everybody waits for them. */
const longTurn = 20

/**
 * Runs jobs in the order in which they come, at most so many in each turn of the event loop: whoever else is to be answered
 * waits for these, and not for all that came at once. On a thread that has nothing else to do a turn takes microseconds.
 * Where others make a turn long, as many more are run as fit into a fifth of the time: those who read without end do not keep
 * everybody else from having a turn.
 * @param now milliseconds of a clock that is never set back
 */
export function inTurns(perTurn: number, now = () => performance.now()): (job: () => void) => void {
  const waiting: (() => void)[] = []
  let isPlanned = false
  let planned = 0
  const plan = () => {
    if (isPlanned || !waiting.length) return
    isPlanned = true
    planned = now()
    setImmediate(turn)
  }
  const turn = () => {
    isPlanned = false
    const began = now()
    const spent = began - planned
    const until = spent > longTurn ? began + spent / 4 : began
    try {
      for (let run = 0; waiting.length && (run < perTurn || now() < until); run++) waiting.shift()?.()
    } finally {
      plan()
    }
  }
  return (job) => {
    waiting.push(job)
    plan()
  }
}
