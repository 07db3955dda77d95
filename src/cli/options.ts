import type { Command } from 'commander'
import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { type Cli, note } from './cli.ts'

/** The options of commands that work on a data folder. */
export interface DataOptions {
  data?: string
  config?: string
}

export function onDataFolder(command: Command): Command {
  return command
    .option('--data <dir>', 'the data folder (default: ./data)')
    .option('--config <file>', 'the configuration file')
}

/** The configuration that the options, the environment and the file give together. */
export function configOf(
  cli: Cli,
  { config: file, data }: DataOptions,
  flags: Record<string, unknown> = {},
): Config {
  const config = loadConfig({
    ...(file !== undefined && { file }),
    env: cli.env,
    flags: { ...(data !== undefined && { data }), ...flags },
  })
  for (const warning of config.warnings) note(`lookaside: ${warning}`)
  return config
}
