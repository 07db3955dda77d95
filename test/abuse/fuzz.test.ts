import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzz } from './fuzz.ts'

/** `npm run test:abuse` tries ten million. */
const inputs = Number(process.env.INPUTS ?? 10_000)
/** Another one tries others. */
const seed = Number(process.env.SEED ?? 20_260_101)

/** What reads hundreds of bytes needs little each time, however many there are. */
const maxMebibytes = 512

test(`${inputs} inputs that are nearly right: nothing but refusals, and what is accepted is read as the same again`, async (t) => {
  const figures = await fuzz(inputs, seed)
  for (const [name, { inputs, accepted, slowestMilliseconds }] of Object.entries(figures)) {
    t.diagnostic(`${name}: ${inputs}, ${accepted} accepted, the slowest ${slowestMilliseconds.toFixed(0)} ms`)
    assert.ok(accepted > 0 && accepted < inputs, `${name}: some are accepted, and not all`)
  }
  assert.ok(process.resourceUsage().maxRSS / 1024 < maxMebibytes)
})
