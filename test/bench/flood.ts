import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { percentilesOf, type Sample } from './compare.ts'
import { open, readImage, trusting } from './connection.ts'
import { measureLoad } from './load.ts'
import { withoutServers, withServers } from './reads.ts'
import { type Benchmark, compareAndSay } from './settings.ts'
import type { WebServer } from './web-servers.ts'

/** Who comes anew, at any moment. */
const comers = 50

/** Between the end of one answer to who stays and the next question. */
const pauseMilliseconds = 5

export const flood: Benchmark = {
  without: withoutServers,
  async run(settings) {
    await withServers(settings, async ({ all, ca }, { file, directories, title }) => {
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
      const what = `${comers} at once connect (a new session), read 3 times and close`
      const whose = `times are those of one client who stays connected, an image of 3 reads after each ${pauseMilliseconds} ms`
      await compareAndSay(settings, `Flood: ${title}; ${what}; ${whose}`, 'clients', subjects)
    })
  },
}

/** Reads one image after the other over one connection; returns how long each took, in milliseconds. */
function stay(port: number, ca: string, directories: string[]): { leave(): Promise<number[]> } {
  let hasLeft = false
  const reading = async () => {
    const connection = await open(port, trusting(readFileSync(ca, 'utf8')))
    const times: number[] = []
    for (let index = 0; !hasLeft; index++) {
      const start = performance.now()
      await readImage(connection, directories[index % directories.length] as string)
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
