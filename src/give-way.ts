import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { basename } from 'node:path'

/**
 * By how much (nice(2), up to 19) a thread comes after those that answer readers: what signers and mirrors bring, and after
 * it the trees. On a processor that has all work for others they have a sixth, and a seventieth. What V8 does in threads of
 * its own, readers do without for a while, but wait for its end: with much less, that is long on busy processors.
 */
const niceness = { admission: 7, v8: 7, tree: 19 }

/**
 * Has the thread that calls come after others where there is more to do than the machine can. Linux gives threads
 * priorities of their own (setpriority(2)); another system has no such file, and nothing is changed there.
 */
export function giveWay(as: keyof typeof niceness): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), niceness[as])
  } catch {}
}

/** The same for the threads of V8 in this process, which mark and sweep beside those that answer, and compile. */
export function v8GivesWay(): void {
  try {
    for (const id of readdirSync('/proc/self/task'))
      if (readFileSync(`/proc/self/task/${id}/comm`, 'utf8').includes('V8Worker'))
        setPriority(Number(id), niceness.v8)
  } catch {}
}
