/** A name that others have chosen, fit for the log: printable ASCII, of bounded length. */
export function printableName(text: string, maxLength: number): string {
  const printable = text.replaceAll(/[^\x20-\x7e]/g, '?')
  return printable.length <= maxLength ? printable : `${printable.slice(0, maxLength - 3)}...`
}
