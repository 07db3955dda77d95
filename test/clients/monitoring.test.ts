import { join } from 'node:path'
import { test } from 'node:test'
import { succeed } from './program.ts'

const rules = join(import.meta.dirname, '../../examples/monitoring/lookaside.rules.yml')

test('Prometheus takes the alert rules', async () => {
  await succeed('promtool', ['check', 'rules', rules])
})
