import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Config } from '../../src/config/config.ts'
import { ConfigurationError } from '../../src/config/configuration-error.ts'
import { loadConfig } from '../../src/config/load.ts'

export interface Sources {
  yaml?: string
  env?: Record<string, string>
  flags?: Record<string, unknown>
}

/** Loads with a file `etc/lookaside.yaml` in a working directory of its own, which is where tests find other files. */
export function loader(t: TestContext): { directory: string; load: (sources: Sources) => Config } {
  const directory = mkdtempSync(join(tmpdir(), 'lookaside-config-'))
  t.after(() => rmSync(directory, { recursive: true }))
  mkdirSync(join(directory, 'etc'))
  const load = ({ yaml, env = {}, flags = {} }: Sources): Config => {
    if (yaml !== undefined) writeFileSync(join(directory, 'etc/lookaside.yaml'), yaml)
    const file = yaml === undefined ? {} : { file: 'etc/lookaside.yaml' }
    return loadConfig({ ...file, env, flags, workingDirectory: directory })
  }
  return { directory, load }
}

/** Asserts the whole message of the refusal: it is what a person sees. */
export function refuses(load: (sources: Sources) => Config, sources: Sources, message: string): void {
  assert.throws(
    () => load(sources),
    (error) => {
      assert.ok(error instanceof ConfigurationError, String(error))
      assert.deepEqual([error.code, error.message], ['configuration', message])
      return true
    },
  )
}
