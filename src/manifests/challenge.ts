/** What a server asks for in a value of WWW-Authenticate; names in lower case. */
export interface Challenge {
  scheme: string
  parameters: Map<string, string>
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const scheme = new RegExp(`^[ \\t]*(${token})[ \\t]*`)
const parameter = new RegExp(`[ \\t]*(${token})=(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))[ \\t]*(?:,|$)`, 'y')

/**
 * Reads one challenge a value, as c/image does (docker/wwwauthenticate.go): of several in one value, the first. What
 * follows the last parameter that can be read is left out. Null where there is no scheme.
 */
export function readChallenge(value: string): Challenge | null {
  const [all = '', name] = scheme.exec(value) ?? []
  if (name === undefined) return null
  const parameters = new Map<string, string>()
  const reader = new RegExp(parameter)
  reader.lastIndex = all.length
  for (let found = reader.exec(value); found; found = reader.exec(value)) {
    const [, key = '', quoted, plain = ''] = found
    parameters.set(key.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain)
  }
  return { scheme: name.toLowerCase(), parameters }
}
