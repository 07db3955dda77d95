import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Ran {
  code: number
  stdout: string
  stderr: string
}

export const program = join(import.meta.dirname, '../../src/lookaside.js')

/** Node keeps the compiled sources there: the program starts in half the time. */
const compileCache = join(tmpdir(), 'node-compile-cache')

/** Runs the program as a shell would, with no variables but those given. */
export function lookaside(
  args: string[],
  { env = {}, cwd }: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Ran> {
  const variables = { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, ...env }
  const options = { env: variables, cwd, maxBuffer: 64 * 1024 * 1024 }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error)
      else resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}
