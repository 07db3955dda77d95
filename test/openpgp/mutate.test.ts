import assert from 'node:assert/strict'
import test from 'node:test'
import { tryMutants } from './mutate.ts'

test('20,000 mutated blobs: nothing but refusals, and no claim or identity that openpgp.js does not confirm', async () => {
  const figures = await tryMutants(20_000, 20_260_101)
  assert.equal(figures.mutants, 20_000)
  assert.ok(figures.accepted > 1000, 'enough mutants are accepted for the comparison to mean something')
  assert.ok(figures.sameIdentity > 500)
  assert.ok(Object.keys(figures.refused).length > 15, 'refusals of all kinds are met')
})
