/** Control and format characters, bidirectional overrides among them, line separators, and what is no character at all. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu

/**
 * Text that somebody else wrote, made fit for a line on a terminal. Anybody may sign a claim, and its text could else
 * move the cursor, rewrite what was printed before, reorder a line or start another one.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}
