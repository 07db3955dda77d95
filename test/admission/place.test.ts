import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imagesAt, type Registry } from '../../src/admission/place.ts'
import { parseRepository } from '../../src/reference/repository.ts'

const registries: Registry[] = [
  { host: 'registry.example.com' },
  { host: 'quay.io', prefix: 'quay.io' },
  { host: 'quay.example.com', prefix: 'quay.io' },
]

test('a repository is of the registries whose space it is in, and of no other', () => {
  const names = (home: string) =>
    imagesAt(parseRepository(home), registries).map(({ host, path }) => `${host}/${path}`)
  assert.deepEqual(names('team/app'), ['registry.example.com/team/app'])
  assert.deepEqual(names('quay.io/team/app'), ['quay.io/team/app', 'quay.example.com/team/app'])
  assert.deepEqual(names('quay.iox/app'), ['registry.example.com/quay.iox/app'])
  assert.deepEqual(names('quay.io'), [])
})
