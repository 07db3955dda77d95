import { execFile } from 'node:child_process'
import { join } from 'node:path'

export interface Ran {
  code: number
  stdout: string
  stderr: string
}

const program = join(import.meta.dirname, '../../src/lookaside.js')

/** Runs the program as a shell would, with no variables but those given. */
export function lookaside(
  args: string[],
  { env = {}, cwd }: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Ran> {
  const options = { env: { PATH: process.env.PATH, ...env }, cwd, maxBuffer: 64 * 1024 * 1024 }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error)
      else resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}
