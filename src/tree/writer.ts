import type { Location } from '../reference/tree-path.ts'
import type { TreePosition } from './position.ts'

/**
 * Where a tree is written: a folder, or whatever else holds files by path. It knows nothing of the database or of the
 * order in which readers may see files come and go. Who calls it holds the lease of the tree.
 */
export interface Writer {
  /** How far the tree has come, as it says itself; null where it does not say, and anything may lie in it. */
  position(): Promise<TreePosition | null>
  /** Only when everything up to there is durable. */
  setPosition(position: TreePosition): Promise<void>
  /** Whether nothing lies there but what the writer itself needs. */
  isEmpty(): Promise<boolean>
  /** Takes away what an interrupted writer left half done, and gets ready to write. */
  begin(): Promise<void>
  /**
   * What lies at a location, by its name the SHA-256 of what it holds; null: that cannot be told. A link on the way there
   * is not followed: it is kept for a person.
   */
  list(location: Location): Promise<Map<string, string | null>>
  /**
   * Puts a file in place of whatever has its name: a reader sees the old or the new one, whole.
   * @param modified its time, in Unix seconds
   */
  put(location: Location, name: string, content: Uint8Array, modified: number): Promise<void>
  remove(location: Location, name: string): Promise<void>
  /** Takes it out of the tree and keeps it for a person. */
  rescue(location: Location, name: string): Promise<void>
  /** Nothing is left of a location without files. */
  settle(location: Location, isEmpty: boolean): Promise<void>
  /** What was done at all locations that were settled is durable. */
  sync(): Promise<void>
}
