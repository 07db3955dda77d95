import { Check } from 'typebox/schema'
import { expected, formatPath, isSection, type Path, type SchemaNode, valuesOf } from './keys.ts'

/** What is wrong with a value, and at which place in it. */
export interface Fault {
  path: Path
  message: string
}

/**
 * The first thing in `value` that the schema does not allow. A section may be empty, as one is whose keys are all
 * commented out; any other value that is missing is a fault, because an empty list of who may do something must not
 * pass for "everybody".
 */
export function findFault(node: SchemaNode, value: unknown, path: Path = []): Fault | undefined {
  return findFaultIn(node, value, path, false)
}

/** `isPart`: what is in a list or a mapping must be whole, as it gets no values from elsewhere. */
function findFaultIn(node: SchemaNode, value: unknown, path: Path, isPart: boolean): Fault | undefined {
  if (isSection(node)) {
    return value === null && !isPart ? undefined : findFaultInObject(node, value, path, isPart)
  }
  const named = valuesOf(node)
  if (named !== undefined && isObject(value)) {
    return first(Object.entries(value), ([name, member]) => findFaultIn(named, member, [...path, name], true))
  }
  if (node.type === 'array' && Array.isArray(value) && value.length >= (node.minItems ?? 0)) {
    return first(value, (item, index) => findFaultIn(node.items ?? {}, item, [...path, index], true))
  }
  if (node.$comment !== undefined ? isObject(value) : Check(node, value)) return undefined
  return { path, message: `must be ${expected(node)}${found(value)}` }
}

function findFaultInObject(node: SchemaNode, value: unknown, path: Path, isPart: boolean): Fault | undefined {
  if (!isObject(value)) return { path, message: `must be ${expected(node)}${found(value)}` }
  const known = node.properties ?? {}
  const missing = isPart
    ? node.required?.find((name) => !Object.hasOwn(value, name) && known[name]?.default === undefined)
    : undefined
  return (
    first(Object.entries(value), ([name, member]) => {
      const child = Object.hasOwn(known, name) ? known[name] : undefined
      return child === undefined
        ? { path: [...path, name], message: notKnown(Object.keys(known), path) }
        : findFaultIn(child, member, [...path, name], isPart)
    }) ?? (missing === undefined ? undefined : { path, message: `has no ${missing}` })
  )
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function notKnown(known: string[], path: Path): string {
  const place = formatPath(path) || 'the configuration'
  return `is not a known key; ${place} has ${known.join(', ')}`
}

function found(value: unknown): string {
  if (value === null || value === undefined) return ', but there is no value'
  if (Array.isArray(value)) return value.length === 0 ? '' : ', not a list'
  if (typeof value === 'object') return ', not a mapping'
  return `, not ${JSON.stringify(value).slice(0, 60)}`
}

function first<Item>(
  items: Item[],
  look: (item: Item, index: number) => Fault | undefined,
): Fault | undefined {
  for (const [index, item] of items.entries()) {
    const fault = look(item, index)
    if (fault !== undefined) return fault
  }
  return undefined
}
