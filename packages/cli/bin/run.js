#!/usr/bin/env node
// Runs from src/ in a checkout (Node strips the types, no build) and from dist/ where the package is installed.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import * as module from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const argv = process.argv.slice(2)
if (!isNewEnough(process.versions.node)) {
  await runUnder(nodeOfTheInstallation(), [fileURLToPath(import.meta.url), ...argv])
} else {
  const inCheckout = existsSync(new URL('../src/main.ts', import.meta.url))
  if (inCheckout) {
    module.registerHooks({
      resolve: (specifier, context, next) =>
        next(specifier, { ...context, conditions: [...context.conditions, '@mdm/source'] }),
    })
  } else {
    keepCompiled()
    // the stacks that DEBUG shows are of the sources
    if (process.env['DEBUG']) process.setSourceMapsEnabled(true)
  }
  const { main } = await import(inCheckout ? '../src/main.ts' : '../dist/main.js')
  await main(argv)
}

/**
 * Keeps what V8 made of the modules for the next start, which is a third faster with it; in a folder of the user's own,
 * since whoever writes there says what we run. A start without a home goes on without.
 */
function keepCompiled() {
  try {
    const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'mdm')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    module.enableCompileCache(folder)
  } catch {
    // no home, or one that cannot be written
  }
}

/** The oldest Node that can run this: 24.15. */
function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > 24 || (major === 24 && minor >= 15)
}

/** The Node that npm brought along with a checkout, since the machine's own may be older. */
function nodeOfTheInstallation() {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const own = join(folder, 'node_modules', 'node', 'bin', 'node')
    if (existsSync(own)) return own
    if (folder === dirname(folder)) break
  }
  console.error(`MDM needs Node 24.15 or later, this is ${process.versions.node}`)
  process.exit(1)
}

/** Hands everything over: the same terminal, the same signals, the same exit code. */
async function runUnder(node, args) {
  const child = spawn(node, args, { stdio: 'inherit' })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name))
  const [code, signal] = await new Promise((resolve) => child.once('exit', (...end) => resolve(end)))
  if (signal === null) process.exit(code)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
