import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { goFirst, halves, moveTo } from '../apart.ts'
import { percentilesOf, type Sample } from './compare.ts'
import { open, readSlot, readsOfImage, trusting } from './connection.ts'
import { measureLoad } from './load.ts'
import { withoutServers, withServers } from './reads.ts'
import { type Benchmark, compareAndSay } from './settings.ts'
import type { WebServer } from './web-servers.ts'

/** Who comes anew, at any moment. */
const comers = 50

/** Between an answer to who stays and the next question. */
const pauseMilliseconds = 5

export const flood: Benchmark = {
  without: withoutServers,
  async run(settings) {
    const apart = halves()
    if (apart) moveTo(apart.server)
    await withServers(settings, async ({ all, ca }, { file, directories, title }) => {
      if (apart) moveTo(apart.others)
      const measure = async ({ port, pid }: WebServer, seconds: number): Promise<Sample> => {
        const staying = stay(port, ca, directories)
        const sample = await measureLoad(pid, {
          kind: 'cold',
          port,
          ca,
          seconds,
          paths: file,
          clients: comers,
        })
        return { ...sample, times: percentilesOf(await staying.leave()) }
      }
      const subjects = all.map((server) => ({
        name: server.name,
        measure: (seconds: number) => measure(server, seconds),
      }))
      const goWithOthers = apart && goFirst()
      const what = `${comers} at once connect (a new session), read 3 times and close`
      const whose = `times are those of reads of one client who stays connected, ${pauseMilliseconds} ms apart`
      const where = apart
        ? `servers have ${apart.server.split(',').length} of the processors to themselves${goWithOthers ? ', and who stays goes before who comes on the others' : ''}`
        : 'all share the processors'
      await compareAndSay(settings, `Flood: ${title}; ${what}; ${whose}; ${where}`, 'clients', subjects)
      goWithOthers?.()
    }).finally(() => apart && moveTo(`${apart.server},${apart.others}`))
  },
}

/** Reads one slot after the other over one connection; returns how long each took, in milliseconds. */
function stay(port: number, ca: string, directories: string[]): { leave(): Promise<number[]> } {
  let hasLeft = false
  const reading = async () => {
    const connection = await open(port, trusting(readFileSync(ca, 'utf8')))
    const times: number[] = []
    for (let index = 0; !hasLeft; index++) {
      const directory = directories[Math.floor(index / readsOfImage) % directories.length] as string
      const start = performance.now()
      await readSlot(connection, directory, 1 + (index % readsOfImage))
      times.push(performance.now() - start)
      await wait(pauseMilliseconds)
    }
    await connection.close()
    return times
  }
  const times = reading()
  return {
    leave() {
      hasLeft = true
      return times
    },
  }
}
