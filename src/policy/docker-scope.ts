import { formatReference } from '../reference/reference.ts'
import { isRepository } from '../reference/repository.ts'
import { Refusal } from '../refusal.ts'
import { isClientHost, parseClientReference } from './client-reference.ts'

/** The transport of images in registries (containers-transports(5)). */
export const dockerTransport = 'docker'

const hostPattern = /^[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*(?:\.[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*)*(?::[0-9]+)?$/

/** Whether some image can be in this scope of the docker transport. Clients take any text for a scope. */
export function canMatch(scope: string): boolean {
  if (scope === '') return true
  if (scope.startsWith('*.')) return hostPattern.test(scope.slice(2)) && !scope.includes(':')
  const [host = '', ...path] = scope.split('/')
  // Clients write docker.io where they read index.docker.io.
  if (!hostPattern.test(host) || !isClientHost(host) || host === 'index.docker.io') return false
  return path.length === 0 || isRepository(path.join('/')) || isFullName(scope)
}

function isFullName(scope: string): boolean {
  try {
    const image = parseClientReference(scope)
    const isBoth = image.tag !== undefined && image.digest !== undefined
    return formatReference(image) === scope && !isBoth
  } catch (error) {
    if (error instanceof Refusal) return false
    throw error
  }
}
