import { readFileSync } from 'node:fs'
import { Agent, request } from 'undici'
import { digestOf, repositoryOf } from './big-database.ts'
import { signaturesPerDigest } from './data-folder.ts'
import { inTurn, type Measurement, pathOf, type Served } from './stock.ts'

interface Query {
  what: string
  /** For the digest of that number. */
  path(index: number): string
  /** Only the first octets: the rest is as long as there are repositories or digests. */
  beginning?: boolean
}

const page = '/api/v1/signatures?limit=20'
const idOf = (index: number) => index * signaturesPerDigest

const queriesFor = (keyId: string): Query[] => [
  { what: '20 signatures', path: (index) => `${page}&after=${idOf(index)}` },
  { what: '20 by a key', path: (index) => `${page}&after=${idOf(index)}&key=${keyId}` },
  { what: '20 of a verdict', path: (index) => `${page}&after=${idOf(index)}&verdict=unknown-key` },
  {
    what: '20 of the largest repository',
    path: (index) => `${page}&after=${idOf(index)}&repository=${repositoryOf(0)}`,
  },
  { what: 'those of a digest', path: (index) => `${page}&digest=${digestOf(index)}` },
  { what: 'one signature', path: (index) => `/api/v1/signatures/${idOf(index) + 1}` },
  { what: '100 changes', path: (index) => `/api/v1/changes?after=${idOf(index)}` },
  { what: 'the listing of a digest', path: (index) => `/signatures/${pathOf(index)}/` },
  { what: 'the beginning of that of the top', path: () => '/signatures/', beginning: true },
  {
    what: 'the beginning of that of the largest repository',
    path: () => `/signatures/${repositoryOf(0).replace(/\/.*/, '')}/`,
    beginning: true,
  },
  { what: 'the first page for people', path: () => '/' },
  { what: 'that of a search by a part of a name', path: () => '/search?q=app' },
  { what: 'that of the repositories', path: () => '/repositories' },
  { what: 'that of the largest repository', path: () => `/repositories/${repositoryOf(0)}` },
  { what: 'that of a digest', path: (index) => `/digests/${digestOf(index)}` },
  { what: 'that of a key', path: () => `/keys/${keyId}` },
  { what: 'that of a signature', path: (index) => `/signature/${idOf(index) + 1}` },
  { what: 'that of what happened', path: () => '/activity' },
]

/** Pages from all over, but for the end, where there are fewer entries. */
const partOfAll = 0.8

/** How long clients wait for answers to each query, in milliseconds, with few signatures and with many. */
export async function queryTimes(few: Served, many: Served, count: number): Promise<Measurement[]> {
  const agents = new Map([few, many].map((served) => [served, agentFor(served)]))
  try {
    const ask = async (served: Served, query: Query, round: number) => {
      const index = Math.floor((round * served.digests * partOfAll) / count)
      return answerTime(served, agents.get(served) as Agent, query.path(index), query.beginning)
    }
    const measurements: Measurement[] = []
    for (const query of queriesFor(await someKeyId(few, agents.get(few) as Agent))) {
      await ask(few, query, 0)
      await ask(many, query, 0)
      measurements.push(
        await inTurn(`${query.what}, ms`, [few, many], count, (served, round) => ask(served, query, round)),
      )
    }
    return measurements
  } finally {
    for (const agent of agents.values()) await agent.destroy()
  }
}

const agentFor = ({ ca }: Served) => new Agent({ connections: 1, connect: { ca: readFileSync(ca, 'utf8') } })

async function answerTime(served: Served, agent: Agent, path: string, beginning = false): Promise<number> {
  // Connects, where that is yet to be done.
  await (await get(served, agent, '/healthz')).body.dump()
  const start = performance.now()
  const { statusCode, body } = await get(served, agent, path)
  if (statusCode !== 200) throw new Error(`${path} was answered with ${statusCode}`)
  // Leaving the loop ends the connection.
  for await (const _ of body) if (beginning) break
  return performance.now() - start
}

/** All keys have made as many signatures. */
async function someKeyId(served: Served, agent: Agent): Promise<string> {
  const { body } = await get(served, agent, '/api/v1/signatures/1')
  const { signer } = (await body.json()) as { signer: { unverifiedKeyId: string } }
  return signer.unverifiedKeyId
}

const get = ({ server }: Served, agent: Agent, path: string) =>
  request(`https://127.0.0.1:${server.port}${path}`, { dispatcher: agent })
