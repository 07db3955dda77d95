import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { answersIn, receive } from './answers.ts'
import { startAttacked } from './attacked.ts'
import { manyTimes, openAgain, times } from './connections.ts'
import { type Attack, attacks, heads, next, tails, whatIsWrong } from './smuggling.ts'

/** Connections at once: most of what is sent is answered at once, the rest when it is too late. */
const atOnce = 64

test('no request is answered twice, none that lies in a body is answered, and none that follows gets the answer of another', async (t) => {
  const attacked = await startAttacked([], { LOOKASIDE_UPLOADS_STALL_SECONDS: '2' })
  const all: Attack[] = [...attacks(await attacked.token('push:**')), ...heads, ...tails]
  const wrong: string[] = []
  const counts = new Map<string, number>()

  const attack = async (one: Attack, inPieces: boolean) => {
    const socket = await openAgain(() => attacked.open())
    const received = receive(socket)
    const bytes = Buffer.from(one.bytes + next, 'latin1')
    // The head by itself, then what is to be its body.
    const cut = inPieces ? one.bytes.indexOf('\r\n\r\n') + 4 : 0
    if (cut > 3) await new Promise((resolve) => socket.write(bytes.subarray(0, cut), resolve))
    socket.write(cut > 3 ? bytes.subarray(cut) : bytes)
    const { answers, rest } = answersIn(await received)
    const problem = whatIsWrong(one, answers, rest)
    if (problem) wrong.push(`${one.name}: ${problem}`)
    const statuses = answers.map(({ status }) => status).join(' ')
    counts.set(statuses, (counts.get(statuses) ?? 0) + 1)
  }

  // Each at one go, then each in pieces.
  const count = 2 * times * all.length
  await attacked.whileReading(t, `${count} attacks`, () =>
    manyTimes(
      count,
      (index) => attack(all[index % all.length] as Attack, Math.floor(index / all.length) % 2 === 1),
      atOnce,
    ),
  )
  assert.deepEqual(wrong, [])
  // Enough are taken for the rest to mean something.
  assert.ok((counts.get('401 200') ?? 0) > 10 && (counts.get('400') ?? 0) > 100)
  t.diagnostic(
    `answers: ${[...counts].map(([statuses, count]) => `${statuses || 'none'}: ${count}`).join(', ')}`,
  )
  await attacked.end()
})

test('who offers another protocol gets HTTP/1.1, and so does what comes next', async () => {
  const attacked = await startAttacked()
  for (const [start, body] of [
    ['GET /healthz HTTP/1.1', ''],
    ['POST /api/v1/signatures HTTP/1.1\r\nContent-Length: 4', 'abcd'],
  ]) {
    const socket = await attacked.open()
    const received = receive(socket)
    socket.write(
      `${start}\r\nHost: x\r\nX-Request-Id: first\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n${body}`,
    )
    await once(socket, 'readable')
    socket.write(next)
    const { answers, rest } = answersIn(await received)
    assert.deepEqual([answers.map(({ headers }) => headers['x-request-id']), rest], [['first', 'next'], ''])
  }
  await attacked.end()
})
