import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'

/** What has not come to be by then never will, however busy the machine is. */
const deadlineMilliseconds = 300_000

/** Waits until something is so. */
export async function eventually(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + deadlineMilliseconds
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, `it never came to be that ${isSo}`)
    await wait(10)
  }
}

/** Waits for the next second: what one key signs twice within one is, by RSA, one signature. */
export async function nextSecond(): Promise<void> {
  const second = () => Math.floor(Date.now() / 1000)
  const now = second()
  await eventually(() => second() > now)
}
