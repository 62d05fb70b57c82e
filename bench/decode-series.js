/**
 * Decodes every frame of the one series below a folder into one file, as a site reads them:
 * `node decode-series.js FOLDER OUT PACKAGE`, PACKAGE being where @mdm/server is unpacked.
 */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, out, unpacked] = process.argv.slice(2)
const module = pathToFileURL(join(unpacked, 'dist', 'dicom', 'sources', 'folder.js'))
const { folderSource } = await import(module.href)
const source = folderSource('bench', folder)
const [ref] = await source.series()
const wanted = []
for await (const { sop } of source.headers(ref)) wanted.push({ sop })
const file = await open(out, 'w')
for await (const { pixels } of source.retrieve(ref, wanted)) await file.write(pixels)
await file.close()
await source.close()
