import { Refusal } from '../refusal.ts'

/** Whether a disk, or a share of it, is full. */
export const isFull = (code: string | undefined) => code === 'ENOSPC' || code === 'EDQUOT'

const ofNetwork = new Set(['listen', 'bind', 'connect', 'getaddrinfo'])

/** Null for what is not of the file system. The message names the file where the error does. */
export function asFileTrouble(dataFolder: string, cause: unknown): Refusal | null {
  const { errno, code, syscall = '', message } = cause as NodeJS.ErrnoException
  if (errno === undefined || ofNetwork.has(syscall)) return null
  if (isFull(code))
    return new Refusal('disk-full', `The disk of the data folder ${dataFolder} is full: ${message}`, {
      cause,
    })
  return new Refusal('data-folder', `The data folder ${dataFolder} cannot be used: ${message}`, { cause })
}
