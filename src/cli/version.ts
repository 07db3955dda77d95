import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Of the package that this file is part of, in a checkout as in dist. */
export const version: string = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
).version
