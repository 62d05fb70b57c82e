// Writes oclif.manifest.json, the list of all commands that spares an installed mdm from loading every one of them to
// start one. Run by npm when the package is packed; a manifest in a checkout would go stale and shadow the sources.
// node write-manifest.js [FOLDER OF THE PACKAGE]
import { writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Plugin, settings } from '@oclif/core'

settings.enableAutoTranspile = false
const root = resolve(process.argv[2] ?? dirname(fileURLToPath(import.meta.url)))
const plugin = new Plugin({ root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true })
await plugin.load()
await writeFile(join(root, 'oclif.manifest.json'), JSON.stringify(plugin.manifest))
