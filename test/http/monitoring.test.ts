import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { mirrorOf, newSigningKey } from '../mirror/signing-key.ts'
import { ask, testServer } from '../server.ts'
import { temporaryFolder } from '../temporary.ts'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

const source = await testServer()
const key = newSigningKey(temporaryFolder(), 'key')
const server = await testServer({ mirrors: [mirrorOf(source.origin, key)] })
const metrics = (await ask(server, 'GET', '/metrics')).body.toString()
/** With their types. */
const families = new Map(
  [...metrics.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => [name, type]),
)

const ours = /\b(?:lookaside|nodejs|process)_[a-z0-9_]+/g

/** That there is such a metric, or such a part of a histogram. */
function requireMetric(name: string, where: string): void {
  const isPart = families.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram'
  assert.ok(families.has(name) || isPart, `${where} has ${name}, which is not measured`)
}

test('alerts use only metrics that exist, and each is explained', () => {
  const { groups } = parse(read('examples/monitoring/lookaside.rules.yml'))
  const docs = read('docs/observing.md')
  const { rules } = groups[0] as { rules: { alert: string; expr: string }[] }
  assert.ok(rules.length > 5)
  for (const { alert, expr } of rules) {
    for (const [name] of expr.matchAll(ours)) requireMetric(name, alert)
    assert.ok(docs.includes(`\`${alert}\``), `${alert} is not in docs/observing.md`)
  }
})

test('the dashboard uses only metrics that exist', () => {
  const { panels } = JSON.parse(read('examples/monitoring/grafana.json'))
  assert.ok(panels.length > 5)
  for (const { title, targets } of panels as { title: string; targets: { expr: string }[] }[])
    for (const { expr } of targets) {
      const names = [...expr.matchAll(ours)]
      assert.ok(names.length, title)
      for (const [name] of names) requireMetric(name, title)
    }
})

test('every metric of this program is explained', () => {
  const docs = `${read('docs/observing.md')}${read('docs/mirrors.md')}`
  for (const name of families.keys())
    if (name.startsWith('lookaside_'))
      assert.ok(docs.includes(`\`${name}\``), `${name} is not in docs/observing.md`)
})
