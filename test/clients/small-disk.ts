import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { atEnd, succeed } from './program.ts'

/** Mounts a disk of its own at a folder, which is made; its size as mount(8) has it. It goes with the tests of the file. */
export async function mountSmallDisk(disk: string, size: string): Promise<string> {
  mkdirSync(disk)
  await succeed('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk])
  atEnd(() => succeed('umount', [disk]))
  return disk
}

/** Leaves not a byte free, or so many; returns what takes it back. */
export async function fillDisk(disk: string, free = 0): Promise<() => Promise<void>> {
  const ballast = join(disk, 'ballast')
  const handle = await open(ballast, 'w')
  const full = async () => {
    for (;;) await handle.write(Buffer.alloc(1024))
  }
  await assert.rejects(full, { code: 'ENOSPC' })
  await handle.truncate((await handle.stat()).size - free)
  await handle.close()
  return () => rm(ballast)
}
