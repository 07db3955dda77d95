import { pipeline } from 'node:stream/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { SignatureDocument } from '../http/document.ts'
import { verdictNames } from '../openpgp/verdict.ts'
import { printable } from '../printable.ts'
import { type Digest, isDigest, parseDigest } from '../reference/digest.ts'
import { parseRepository, type Repository } from '../reference/repository.ts'
import { type Cli, note } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { problemError, type ServerClient, serverClient } from './server-client.ts'
import { onServer, type ServerOptions, serverAccess } from './server-options.ts'

interface ListOptions extends ServerOptions {
  key?: string
  verdict?: string
  limit?: number
  json?: boolean
}

const pageSize = 100

export function listCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onServer(new Command('list'))
    .description('list the signatures of a server, oldest first')
    .argument('[repository[@digest]]', 'only those of a repository, an image, or a digest alone')
    .option('--key <id>', 'only those that name this key: its id (16 hex digits) or fingerprint')
    .addOption(
      new Option('--verdict <verdict>', 'only those of which the keys of the server say this').choices(
        verdictNames,
      ),
    )
    .option('--limit <n>', 'at most so many', parseLimit)
    .option('--json', 'print a JSON document')
    .action(
      async (place: string | undefined, { key, verdict, limit, json: asJson, ...options }: ListOptions) => {
        const query = {
          ...(place !== undefined && parsePlace(place)),
          key: key?.replaceAll(' ', ''),
          verdict,
        }
        const pages = pagesOf(
          serverClient(serverAccess(cli.env, options)),
          query,
          limit ?? Number.POSITIVE_INFINITY,
        )
        await write(asJson ? json(pages) : table(pages))
        ends(exit.done)
      },
    )
}

function parseLimit(text: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is a number from 1.')
}

/** Reads `team/app`, `team/app@sha256:<hex>`, `@sha256:<hex>` and `sha256:<hex>`. */
function parsePlace(text: string): { repository?: Repository; digest?: Digest } {
  if (isDigest(text)) return { digest: text }
  const at = text.indexOf('@')
  if (at < 0) return { repository: parseRepository(text) }
  const digest = parseDigest(text.slice(at + 1))
  return at === 0 ? { digest } : { repository: parseRepository(text.slice(0, at)), digest }
}

async function* pagesOf(
  send: ServerClient,
  query: Record<string, string | undefined>,
  limit: number,
): AsyncGenerator<SignatureDocument[]> {
  let after: number | null = 0
  for (let left = limit; left > 0 && after !== null; ) {
    const page = { ...query, after: String(after), limit: String(Math.min(left, pageSize)) }
    const answer = await send({ method: 'GET', path: '/api/v1/signatures', query: page })
    if ('problem' in answer) throw problemError(answer.problem)
    const { signatures, next } = answer.document as { signatures: SignatureDocument[]; next: number | null }
    // A page that leads back would be asked for without end.
    if (!Array.isArray(signatures) || (next !== null && !(next > after))) {
      throw new Error('This is not a lookaside server: it does not answer with pages of signatures')
    }
    yield signatures
    left -= signatures.length
    after = next
  }
}

async function* json(pages: AsyncIterable<SignatureDocument[]>): AsyncGenerator<string> {
  let opening = '['
  for await (const page of pages) {
    for (const document of page) {
      yield `${opening}\n${indent(JSON.stringify(document, null, 2))}`
      opening = ','
    }
  }
  yield opening === '[' ? '[]\n' : '\n]\n'
}

/** Columns of fixed width come first; whole digests, as other commands take them. */
async function* table(pages: AsyncIterable<SignatureDocument[]>): AsyncGenerator<string> {
  let isEmpty = true
  for await (const page of pages) {
    if (isEmpty && page.length) yield `${row(...heading)}\n`
    isEmpty &&= !page.length
    for (const document of page) yield `${rowOf(document)}\n`
  }
  if (isEmpty) note('There is no such signature.')
}

const heading = ['ID', 'SLOT', 'ADDED', 'VERDICT', 'UNVERIFIED KEY', 'REPOSITORY@DIGEST', 'CLAIMED REFERENCE']

function rowOf({ id, slot, added, verdict, signer, repository, digest, claim }: SignatureDocument): string {
  const critical = (claim as { critical?: { identity?: Record<string, unknown> } } | null)?.critical
  const reference = critical?.identity?.['docker-reference']
  const cells = [
    id,
    slot,
    String(added).replace(/\.[0-9]+Z$/, 'Z'),
    verdict,
    signer?.unverifiedKeyId ?? '-',
    `${repository}@${digest}`,
    reference ?? '-',
  ]
  return row(...cells.map((cell) => printable(String(cell))))
}

function row(...[id = '', slot = '', added = '', verdict = '', key = '', ...rest]: string[]): string {
  return [
    id.padStart(7),
    slot.padStart(4),
    added.padEnd(20),
    verdict.padEnd(15),
    key.padEnd(16),
    ...rest,
  ].join('  ')
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}

/** To standard output, no faster than its reader takes it, and no further than it reads. */
async function write(lines: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(lines, process.stdout, { end: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  }
}
