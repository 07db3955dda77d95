import { readFileSync } from 'node:fs'

/** A file that `fixtures/make.sh` made. */
export function fixture(name: string): Buffer {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url))
}

/** The claim that the fixtures sign. */
export const claim = fixture('claim.payload')
