#!/usr/bin/env node
// Runs from src/ in a checkout (Node strips the types, no build) and from dist/ where the package is installed.
import { existsSync } from 'node:fs'
import * as module from 'node:module'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 15)) {
  console.error(
    `MDM needs Node 24.15 or later, this is ${process.versions.node}: in a checkout use "npx" or "npm exec", which bring their own`,
  )
  process.exit(1)
}
const inCheckout = existsSync(new URL('../src/main.ts', import.meta.url))
if (inCheckout) {
  module.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, '@mdm/source'] }),
  })
}
const { main } = await import(inCheckout ? '../src/main.ts' : '../dist/main.js')
await main(process.argv.slice(2))
