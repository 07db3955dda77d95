import type { Config } from './config.ts'
import { interpret } from './interpret.ts'
import { allKeys, variableOf } from './keys.ts'
import { add, type Settings, settingsOfEnvironment, settingsOfFile, settingsOfFlags } from './settings.ts'

/** Variables that are not configuration: the client's, and what Kubernetes sets for a service called lookaside. */
const otherVariables = /^LOOKASIDE_(?:SERVER|TOKEN|CA|PORT(?:_.*)?|SERVICE_.*)$/

/**
 * Reads the configuration: defaults, then the file, then the environment, then the flags, each over the ones before,
 * key by key; a list is one value and is replaced whole. Throws `ConfigurationError` for anything that is not
 * understood, whether or not a later source would have replaced it.
 */
export function loadConfig(sources: {
  file?: string
  env: Record<string, string | undefined>
  /** By key, dotted (`tls.mode`) or nested; `undefined` for flags that were not given. */
  flags: Record<string, unknown>
  /** Where relative paths start, those of `cert` and `key` in the file excepted. The process's, if not given. */
  workingDirectory?: string
}): Config {
  const { file, env, flags, workingDirectory = process.cwd() } = sources
  const settings: Settings = new Map()
  if (file !== undefined) add(settings, settingsOfFile(file, workingDirectory))
  add(settings, settingsOfEnvironment(env, workingDirectory))
  add(settings, settingsOfFlags(flags, workingDirectory))
  const config = interpret(settings, workingDirectory)
  return { ...config, warnings: [...unknownVariables(env), ...config.warnings] }
}

function unknownVariables(environment: Record<string, string | undefined>): string[] {
  const known = new Set(allKeys().map(variableOf))
  return Object.keys(environment)
    .filter((name) => name.startsWith('LOOKASIDE_') && !known.has(name) && !otherVariables.test(name))
    .map((name) => `${name} is not a variable of the configuration and is ignored.`)
}
