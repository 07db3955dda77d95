/**
 * Does all tasks, so many at once, and those that they lead to: the last found comes first, so that few wait. Nothing is
 * under way any more when it returns or throws.
 */
export async function workThrough<Task>(
  first: Iterable<Task>,
  concurrency: number,
  work: (task: Task, add: (task: Task) => void) => Promise<void>,
): Promise<void> {
  const tasks = [...first]
  const failures: unknown[] = []
  let running = 0
  await new Promise<void>((resolve) => {
    const begin = () => {
      while (running < concurrency && tasks.length > 0 && failures.length === 0) {
        running++
        work(tasks.pop() as Task, (task) => tasks.push(task))
          .catch((error) => failures.push(error))
          .finally(() => {
            running--
            begin()
          })
      }
      if (running === 0) resolve()
    }
    begin()
  })
  if (failures.length > 0) throw failures[0]
}
