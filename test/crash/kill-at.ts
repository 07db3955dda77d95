import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

// Loaded before the program (`--import`): kills it as it is about to change names of files for the nth time, `KILL_AT`.

let left = Number(process.env.KILL_AT)

for (const api of [fs, fs.promises] as unknown as Record<string, (...args: unknown[]) => unknown>[])
  for (const name of ['link', 'rename', 'rm', 'mkdir', 'mkdirSync', 'open']) {
    const call = api[name]
    if (!call || (api === (fs as unknown) && !name.endsWith('Sync'))) continue
    api[name] = (...args) => {
      if (--left === 0) process.kill(process.pid, 'SIGKILL')
      return call(...args)
    }
  }
syncBuiltinESMExports()
