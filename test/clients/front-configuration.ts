import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

/** packaging/nginx.conf, with the names of this machine. */
export function frontConfiguration(names: Record<string, string>): string {
  let text = readFileSync(new URL('../../packaging/nginx.conf', import.meta.url), 'utf8')
  for (const [name, here] of Object.entries(names)) {
    assert.ok(text.includes(name), `packaging/nginx.conf has no ${name}`)
    text = text.replaceAll(name, here)
  }
  return text
}
