import { readNamedFile } from '../durable/limited-file.ts'
import { type ImageReference, parseReference } from '../reference/reference.ts'
import { Refusal } from '../refusal.ts'

/** Hundreds of thousands of lines. */
const maxFileBytes = 64 * 1024 * 1024

/** An image, and where in the file it stands, for a person. */
export interface NamedImage {
  image: ImageReference
  place: string
}

/**
 * Reads a file that names an image a line: `name:tag`, `name@digest`, `name:tag@digest`, or `name` alone. A `#` begins a
 * comment.
 * @throws Refusal configuration, for a file that cannot be read; bad-reference, for a line that names no image: then
 * nothing of it is taken for what is wanted
 */
export async function readImageNames(file: string): Promise<NamedImage[]> {
  const lines = (await readText(file)).split('\n')
  return lines.flatMap((content, index) => {
    const text = content.replace(/#.*/s, '').trim()
    const place = `${file}, line ${index + 1}`
    return text === '' ? [] : [{ image: parse(text, place), place }]
  })
}

function parse(text: string, place: string): ImageReference {
  try {
    return parseReference(text)
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal(cause.code, `${place}: ${cause.message}`, { cause })
  }
}

async function readText(file: string): Promise<string> {
  let bytes: Uint8Array
  try {
    bytes = await readNamedFile(file, maxFileBytes)
  } catch (cause) {
    throw new Refusal('configuration', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  if (bytes.length > maxFileBytes)
    throw new Refusal('configuration', `${file} has more than ${maxFileBytes} bytes`)
  return Buffer.from(bytes).toString()
}
