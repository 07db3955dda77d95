import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'

/** What has not come to be by then never will. */
const deadlineMilliseconds = 60_000

/** Waits until something is so. */
export async function eventually(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + deadlineMilliseconds
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, `it never came to be that ${isSo}`)
    await wait(10)
  }
}
