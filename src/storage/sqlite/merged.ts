/** The next numbers of an ascending source: at most `count` that are greater than `after`. */
export type Source = (after: number, count: number) => number[]

/** How many numbers are read of a source at once: few at first, as most are hardly needed. */
const firstChunk = 4
const largestChunk = 256

/** All numbers of some ascending sources as one ascending sequence, each number once. Sources are read as far as it is. */
export function* merged(sources: readonly Source[], after: number): Generator<number> {
  const heap: Front[] = []
  for (const source of sources) {
    const front = { source, numbers: source(after, firstChunk), at: 0, chunk: firstChunk }
    if (front.numbers.length) push(heap, front)
  }
  let last = after
  for (let front = heap[0]; front; front = heap[0]) {
    const number = first(front)
    if (number > last) yield number
    last = number
    advance(front)
    if (front.numbers.length) sink(heap)
    else drop(heap)
  }
}

interface Front {
  source: Source
  numbers: number[]
  at: number
  chunk: number
}

function first({ numbers, at }: Front): number {
  return numbers[at] as number
}

/** Afterwards a front without numbers is at its end. */
function advance(front: Front): void {
  const last = first(front)
  if (++front.at < front.numbers.length) return
  const isEnd = front.numbers.length < front.chunk
  front.chunk = Math.min(front.chunk * 2, largestChunk)
  front.numbers = isEnd ? [] : front.source(last, front.chunk)
  front.at = 0
}

/** A binary heap of fronts, the one with the least number on top. */
function push(heap: Front[], front: Front): void {
  let at = heap.push(front) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (first(heap[parent] as Front) <= first(front)) break
    heap[at] = heap[parent] as Front
    at = parent
  }
  heap[at] = front
}

function drop(heap: Front[]): void {
  const last = heap.pop() as Front
  if (!heap.length) return
  heap[0] = last
  sink(heap)
}

/** Puts the front on top where its number belongs. */
function sink(heap: Front[]): void {
  const front = heap[0] as Front
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && first(heap[child + 1] as Front) < first(heap[child] as Front)) child++
    if (first(front) <= first(heap[child] as Front)) break
    heap[at] = heap[child] as Front
    at = child
  }
  heap[at] = front
}
