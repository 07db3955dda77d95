import type { Digest } from '../../reference/digest.ts'
import type { Repository } from '../../reference/repository.ts'
import type { AuditEvent, Origin } from '../audit.ts'
import { chainHash } from '../chain.ts'
import { requireFound } from '../damaged.ts'
import type { Change, ChangeKind, Position } from '../storage.ts'
import type { Audit } from './audit.ts'
import type { Connection } from './connection.ts'
import type { Reads } from './read.ts'
import { changeColumns, changeJoins } from './rows.ts'

/** What the log says of a signature. */
export interface LoggedSignature {
  id: number
  repository: Repository
  digest: Digest
  identity: string
  sha256: string
}

/** When, by whom and why; where it came from is for the audit trail alone. */
interface Written {
  time: number
  actor: string
  reason?: string | null
  origin?: Origin | null | undefined
}

/** The only writer of the log; the audit trail has each change too, with where it came from. */
export function prepareLog(db: Connection, reads: Pick<Reads, 'head'>, audit: Pick<Audit, 'record'>) {
  const insert = db.prepare(
    'INSERT INTO changes (seq, time, kind, signature, actor, reason, hash) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const logged = db.prepare(
    `SELECT s.id, p.name AS repository, l.digest, lower(hex(s.identity)) AS identity,
       lower(hex(s.sha256)) AS sha256
     FROM signatures s JOIN places p ON p.id = s.place JOIN locations l ON l.id = s.location WHERE s.id = ?`,
  )
  const find = db.prepare(`SELECT ${changeColumns} FROM changes c ${changeJoins} WHERE c.seq = ?`)

  return {
    write(
      kind: ChangeKind,
      { id, ...signature }: LoggedSignature,
      { time, actor, reason = null, origin = null }: Written,
      head: Position = reads.head(),
    ): Change {
      const row = { ...signature, seq: head.seq + 1, time, kind, signature: id, actor, reason }
      const hash = chainHash(head.hash, row)
      insert.run(row.seq, time, kind, id, actor, reason, Buffer.from(hash, 'hex'))
      const event: AuditEvent = kind === 'added' ? 'uploaded' : kind
      audit.record({ ...signature, event, actor, origin, reason, signature: id, change: row.seq }, time)
      return { ...row, hash }
    },
    /** A stored signature, as the log has it. */
    signature: (id: number) => logged.get(id) as LoggedSignature | undefined,
    change: (seq: number): Change => requireFound(find.get(seq) as Change | undefined, `Change ${seq}`),
  }
}

export type Log = ReturnType<typeof prepareLog>
