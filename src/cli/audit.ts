import { Command, InvalidArgumentError, Option } from 'commander'
import { auditDocument, parseTime } from '../http/audit.ts'
import { printable } from '../printable.ts'
import { type AuditQuery, type AuditRecord, auditEvents } from '../storage/audit.ts'
import type { Storage } from '../storage/storage.ts'
import { type Cli, note, print } from './cli.ts'
import { type ExitCode, exit } from './exit.ts'
import { configOf, type DataOptions, onDataFolder } from './options.ts'

interface AuditOptions
  extends DataOptions,
    Pick<AuditQuery, 'event' | 'actor' | 'address' | 'repository' | 'digest' | 'code'> {
  from?: string
  to?: string
  newest?: boolean
  limit?: number
  json?: boolean
}

const pageSize = 1000

export function auditCommand(cli: Cli, ends: (code: ExitCode) => void): Command {
  return onDataFolder(new Command('audit'))
    .description('print the audit trail, oldest first: who did or tried what, from where; a server may run')
    .addOption(new Option('--event <event>', 'only this one').choices(auditEvents))
    .option('--actor <actor>', 'only of this one, such as token:0a1b2c3d')
    .option('--address <address>', 'only from this address')
    .option('--repository <repository>', 'only about this repository')
    .option('--digest <digest>', 'only about this digest')
    .option('--code <code>', 'only what was refused with this code')
    .option('--from <time>', 'from then on: 2026-11-26, or 2026-11-26T10:00:00Z')
    .option('--to <time>', 'before then')
    .option('--newest', 'the newest first')
    .option('--limit <n>', 'at most so many', parseLimit)
    .option('--json', 'print a JSON document a line')
    .action(async ({ data, config, from, to, newest, limit, json, ...named }: AuditOptions) => {
      const query = {
        ...named,
        ...(from !== undefined && { from: parseTime('from', from) }),
        ...(to !== undefined && { to: parseTime('to', to) }),
        newestFirst: newest ?? false,
      }
      const where = { ...(data !== undefined && { data }), ...(config !== undefined && { config }) }
      const storage = cli.openStorage(configOf(cli, where).data, { create: false })
      try {
        let isEmpty = true
        for await (const record of recordsOf(storage, query, limit ?? Number.POSITIVE_INFINITY)) {
          isEmpty = false
          if (process.stdout.errored) break
          print(json ? JSON.stringify(auditDocument(record)) : printable(lineOf(record)))
        }
        if (isEmpty && !json) note('There is no such record.')
        ends(exit.done)
      } finally {
        await storage.close()
      }
    })
}

function parseLimit(text: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is a number from 1.')
}

async function* recordsOf(
  storage: Pick<Storage, 'audit'>,
  query: Omit<AuditQuery, 'after' | 'limit'>,
  limit: number,
): AsyncGenerator<AuditRecord> {
  let after: number | null | undefined
  for (let left = limit; left > 0 && after !== null; ) {
    const { records, next } = await storage.audit({
      ...query,
      ...(after !== undefined && { after }),
      limit: Math.min(left, pageSize),
    })
    yield* records
    left -= records.length
    after = next
  }
}

/** What is known of it, in one line. */
function lineOf(record: AuditRecord): string {
  const { time, event, count, actor, door, address, repository, digest, code, detail, reason } = record
  const place = repository === null ? digest : digest === null ? repository : `${repository}@${digest}`
  const id = record.signature === null ? null : `signature ${record.signature}`
  const why = code === null ? detail : `${code}: ${detail}`
  const from = [door, address].filter((part) => part !== null).join(' ')
  return [
    new Date(time).toISOString(),
    count > 1 ? `${event} ×${count}` : event,
    actor ?? '-',
    from || '-',
    ...[place, id, why, reason && `(${reason})`].filter((part) => part),
  ].join('  ')
}
