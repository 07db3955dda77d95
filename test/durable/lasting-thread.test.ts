import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { startLastingThread } from '../../src/durable/lasting-thread.ts'
import { eventually } from '../eventually.ts'
import { temporaryFolder } from '../temporary.ts'

/** Says what it is told, until it is told to end, or to die. */
const parrot = `
import { parentPort } from 'node:worker_threads'
parentPort.on('message', (message) => {
  if (message === 'die') throw new Error('as told')
  if (message === 'stop') parentPort.close()
  else parentPort.postMessage(message)
})
`

test('another takes the place of a thread that dies, also where none can be made for a while', async () => {
  const file = join(temporaryFolder(), 'parrot.mjs')
  writeFileSync(file, parrot)
  const heard: string[] = []
  const crashes: string[] = []
  const given: { kept?: () => void } = {}
  const thread = startLastingThread<string>(pathToFileURL(file), given, {
    onMessage: (message) => heard.push(message),
    onCrash: ({ message }) => crashes.push(message),
  })
  thread.post('first')
  await eventually(() => heard.includes('first'))
  // What cannot be given to a thread: its constructor throws, as where the process may have no more of them.
  given.kept = () => {}
  thread.post('die')
  await eventually(() => crashes.length >= 3)
  assert.equal(crashes[0], 'as told')
  assert.match(crashes[1] ?? '', /could not be cloned/)
  thread.post('lost')
  delete given.kept
  await eventually(() => {
    thread.post('again')
    return heard.includes('again')
  })
  await thread.close()
  assert.ok(!heard.includes('lost'))
})
