import { flood } from './flood.ts'
import { mirroring } from './mirrors.ts'
import { mixed } from './mixed.ts'
import { cold, read } from './reads.ts'
import { scale } from './scale.ts'
import type { Benchmark } from './settings.ts'
import { uploads } from './uploads.ts'
import { verifying } from './verifying.ts'

export const benchmarks = {
  read,
  cold,
  flood,
  upload: uploads,
  mixed,
  scale,
  mirror: mirroring,
  verify: verifying,
} satisfies Record<string, Benchmark>
