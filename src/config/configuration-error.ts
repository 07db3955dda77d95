import { Refusal } from '../refusal.ts'

/**
 * A configuration that cannot be used. The message is one line, whatever it quotes, and names the file and line, the
 * variable or the flag, and the key.
 */
export class ConfigurationError extends Refusal {
  constructor(message: string, options?: { cause?: unknown }) {
    super('configuration', message.replaceAll(/\s+/g, ' ').trim(), options)
  }
}
