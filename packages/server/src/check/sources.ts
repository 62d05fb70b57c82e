import { access, constants, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { fault, good, shellWord, type Finding } from '@mdm/core/findings'
import type { SourceConfig } from '../dicom/source-config.ts'
import { kindOf } from '../dicom/sources/index.ts'
import { checkServer } from './servers.ts'

/** By the scheme of the URL; `url` and all paths are absolute. */
const CHECKS: Readonly<Record<string, (source: SourceConfig) => Promise<Finding>>> = {
  file: ({ name, url }) => checkFolder(name, folderOf(url)),
  dicom: checkServer,
  dicoms: checkServer,
  'dicomweb+https': checkServer,
  'dicomweb+http': checkServer,
}

/** Can each source be reached, by the site's own user? */
export async function checkSources(sources: readonly SourceConfig[]): Promise<Finding[]> {
  if (sources.length === 0)
    return [
      fault(
        'source',
        '',
        'no source is configured',
        'add one to "sources" in site.json, then restart the site',
      ),
    ]
  return await Promise.all(
    sources.map(async (source) => {
      const scheme = kindOf(source.url)
      const check = CHECKS[scheme]
      if (check !== undefined) return await check(source)
      const next = `mend "url" of source "${source.name}" in site.json: a folder is file:///folder`
      return fault('source', source.name, `this version has no sources of kind "${scheme}"`, next)
    }),
  )
}

async function checkFolder(name: string, folder: string): Promise<Finding> {
  const found = await stat(folder).catch(() => undefined)
  if (found?.isDirectory() !== true) {
    const next = `see that the archive is mounted ("findmnt -T ${shellWord(folder)}"), or mend "url" of source "${name}" in site.json`
    return fault('source', name, 'its folder is not there', next)
  }
  try {
    await access(folder, constants.R_OK | constants.X_OK)
    return good('source', name, 'its folder can be read')
  } catch {
    return fault(
      'source',
      name,
      'its folder cannot be read',
      `setfacl -R -m u:${uid()}:rX ${shellWord(folder)}`,
    )
  }
}

/** A URL that names no folder of this machine stays as it is, and is then not there. */
function folderOf(url: string): string {
  try {
    return url.startsWith('file:') ? fileURLToPath(url) : url
  } catch {
    return url
  }
}

function uid(): string {
  return String(process.getuid?.() ?? 'USER')
}
