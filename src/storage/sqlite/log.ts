import type { Digest } from '../../reference/digest.ts'
import type { Repository } from '../../reference/repository.ts'
import { chainHash } from '../chain.ts'
import type { Change, ChangeKind, Position } from '../storage.ts'
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

/** The only writer of the log. */
export function prepareLog(db: Connection, reads: Pick<Reads, 'head'>) {
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
      { time, actor, reason = null }: { time: number; actor: string; reason?: string | null },
      head: Position = reads.head(),
    ): Change {
      const row = { ...signature, seq: head.seq + 1, time, kind, signature: id, actor, reason }
      const hash = chainHash(head.hash, row)
      insert.run(row.seq, time, kind, id, actor, reason, Buffer.from(hash, 'hex'))
      return { ...row, hash }
    },
    /** A stored signature, as the log has it. */
    signature: (id: number) => logged.get(id) as LoggedSignature | undefined,
    change: (seq: number) => find.get(seq) as Change,
  }
}

export type Log = ReturnType<typeof prepareLog>
