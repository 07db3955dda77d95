#!/usr/bin/env node
// Plain JavaScript, so that a Node too old for the rest can still say so. The oldest supported is in package.json.
var oldest = 24
var major = Number(process.versions.node.split('.')[0])
if (major < oldest) {
  console.error(
    `lookaside needs Node ${oldest} or newer; this is ${process.version} (from a checkout, npm ci brings one)`,
  )
  process.exit(2)
}
if (process.argv[2] === 'serve') restartForServing()
// Compiled once, everything starts sooner: threads and workers too, which go by the variable. What is in that folder is
// run, so it is none that others can write, as one in /tmp would be.
const { enableCompileCache } = await import('node:module')
const { HOME, XDG_CACHE_HOME = HOME && `${HOME}/.cache` } = process.env
if (!process.env.NODE_COMPILE_CACHE && XDG_CACHE_HOME) {
  const folder = `${XDG_CACHE_HOME}/lookaside`
  if ((await isOurs(XDG_CACHE_HOME)) && (await isOurs(folder))) process.env.NODE_COMPILE_CACHE = folder
}
if (process.env.NODE_COMPILE_CACHE) enableCompileCache()
const { main } = await import('./app/main.ts')
await main(process.argv)

/**
 * Once, as the same process: V8 takes these options at its start only. Workers inherit them; what was given to node
 * by hand comes behind and counts.
 */
function restartForServing() {
  // The newest that knows them: with an option that it does not know Node does not start.
  if (major > 26) return
  const options = [
    // There is a process for each processor. Threads that copy what is young for it would take turns with it there: 4 ms
    // each, four of them. Those that mark what is old stay: alone it would be at it for a tenth of a second.
    '--no-parallel-scavenge',
    // In MiB. What the connections of the moment hold is copied each time: 2 ms of it here, 8 in the room that V8 would take.
    '--max-semi-space-size=4',
    // Or code that once made what lasted has all that it makes taken for old: a long listing then fills the heap with it.
    '--no-allocation-site-pretenuring',
    // Node accounts for some 100 KiB of each TLS connection, outside the heap. V8 would mark all of the heap at every
    // 64 MiB of that, which is every six hundred new connections; with this, as it does for what is in the heap.
    '--external-memory-accounted-in-global-limit',
  ]
  if (process.execArgv.includes(options[0])) return
  const rest = [...process.execArgv, ...process.argv.slice(1)]
  try {
    process.execve(process.execPath, [process.execPath, ...options, ...rest], process.env)
  } catch {
    // Where there is no /proc, Node does not know where it is itself. It serves without them, less evenly.
  }
}

/**
 * Whether a folder is there, or can be made, that this user alone may write. One at a time: to make all that are missing
 * never ends where Linux says of a parent that there is none (/proc, autofs).
 */
async function isOurs(path) {
  const { existsSync, mkdirSync, statSync } = await import('node:fs')
  try {
    if (!existsSync(path)) mkdirSync(path, { mode: 0o700 })
    const { uid, mode } = statSync(path)
    return uid === process.getuid() && (mode & 0o022) === 0
  } catch {
    return false
  }
}
