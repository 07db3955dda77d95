import { hash } from 'node:crypto'
import { formatHead, type Head, headName } from '../../src/bundle/head.ts'
import { partName } from '../../src/bundle/lines.ts'
import { tarEnd, tarHeader, tarPadding } from '../../src/bundle/tar.ts'

/** A file of an archive; `header` is what stands before it, if not what it should be. */
export interface ArchivedFile {
  name: string
  content: Buffer
  header?: Buffer
}

/** The files of an uncompressed archive. */
export function filesOf(archive: Buffer): ArchivedFile[] {
  const files: ArchivedFile[] = []
  for (let at = 0; archive[at]; ) {
    const size = Number.parseInt(archive.toString('latin1', at + 124, at + 135), 8)
    const name = archive.toString('latin1', at, at + 100).replace(/\0.*$/s, '')
    files.push({ name, content: archive.subarray(at + 512, at + 512 + size) })
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}

export function archiveOf(files: readonly ArchivedFile[], end: Buffer = tarEnd): Buffer {
  return Buffer.concat([
    ...files.flatMap(({ name, content, header }) => [
      header ?? tarHeader(name, content.length),
      content,
      tarPadding(content.length),
    ]),
    end,
  ])
}

export function headOf(files: readonly ArchivedFile[]): Head {
  return JSON.parse(String(files[0]?.content)) as Head
}

/**
 * The archive with its parts changed line by line and with a head that is right for that: who makes a bundle can make its
 * hashes fit.
 */
export function forged(
  archive: Buffer,
  {
    head: changeHead = (head) => head,
    lines: changeLines = (lines) => lines,
    files: changeFiles = (files) => files,
  }: {
    head?: (head: Head) => Head
    lines?: (lines: any[], part: string) => any[]
    files?: (files: ArchivedFile[]) => ArchivedFile[]
  },
): Buffer {
  const files = filesOf(archive)
  const head = structuredClone(headOf(files))
  for (const kind of ['signatures', 'withdrawals'] as const) {
    let count = 0
    for (const [index, part] of head[kind].parts.entries()) {
      const file = files.find(({ name }) => name === partName(kind, index)) as ArchivedFile
      const lines = changeLines(
        file.content
          .toString()
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line)),
        file.name,
      )
      count += lines.length
      file.content = Buffer.from(
        lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
      )
      part.sha256 = hash('sha256', file.content, 'hex')
      part.size = file.content.length
    }
    head[kind].count = count
  }
  const [first, ...rest] = changeFiles(files)
  const content = first?.name === headName ? Buffer.from(formatHead(changeHead(head))) : first?.content
  return archiveOf([{ ...(first as ArchivedFile), content: content as Buffer }, ...rest])
}
