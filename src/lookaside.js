#!/usr/bin/env node
// Plain JavaScript, so that a Node too old for the rest can still say so. The oldest supported is in package.json.
var oldest = 24
if (Number(process.versions.node.split('.')[0]) < oldest) {
  console.error(
    `lookaside needs Node ${oldest} or newer; this is ${process.version} (from a checkout, npm ci brings one)`,
  )
  process.exit(2)
}
const { enableCompileCache } = await import('node:module')
enableCompileCache()
// The space for new objects stays small: a layer that passes through is garbage at once, and need not fill memory first.
const { setFlagsFromString } = await import('node:v8')
setFlagsFromString('--semi-space-growth-factor=1')
const { main } = await import('./app/main.ts')
await main(process.argv)
