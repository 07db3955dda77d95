/** For the log. */
export interface MirrorNews {
  level: 'info' | 'warn' | 'error'
  news: string
  about: Record<string, string>
}

/** How a mirror fares; the same is told once. */
export interface Tell {
  current(): void
  failing(problem: string): void
  held(problem: string): void
}

/** A source that fails every moment fills no log. */
const quietMilliseconds = 10_000

export function teller(from: string, onNews: (news: MirrorNews) => void = () => {}): Tell {
  let told: string | null = null
  let toldAt = Number.NEGATIVE_INFINITY
  const tell = (level: MirrorNews['level'], news: string, about: MirrorNews['about'] = {}) => {
    const now = performance.now()
    if (told === news || now < toldAt + quietMilliseconds) return
    told = news
    toldAt = now
    onNews({ level, news, about: { from, ...about } })
  }
  return {
    current: () => tell('info', 'a mirror is current'),
    failing: (problem) => tell('warn', 'a mirror cannot follow its source; it is tried again', { problem }),
    held: (problem) =>
      tell('error', 'the source of a mirror seems to have lost signatures; they stay here', { problem }),
  }
}
