import assert from 'node:assert/strict'
import { Refusal, type RefusalCode } from '../../src/refusal.ts'

/** For `assert.throws` and `assert.rejects`: a refusal with that code, whose text says so. */
export function refusal(code: RefusalCode, reason: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Refusal, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, reason)
    return true
  }
}
