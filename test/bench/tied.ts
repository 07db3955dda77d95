import type { ChildProcess } from 'node:child_process'

/** Has a program end where this one does before it, such as by Ctrl-C. */
export function tied<C extends ChildProcess>(child: C): C {
  const end = () => void child.kill()
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  return child
}
