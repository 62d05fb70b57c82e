import { basename, join } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import type { StorageFile } from '@mdm/core/grid/srm/srm-url'
import { formatVolumeName, parseVolumeName } from '@mdm/core/names'
import type { NamedVolume } from './name-input.ts'
import { pathOf, type OutputPlan } from './output-plan.ts'

/** A name as it was typed, and the file of a storage service that it means. */
export interface NamedFile {
  readonly text: string
  readonly file: StorageFile
}

/** A name that is safe to give a file of this machine; the path of a SURL is a stranger's text. */
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._+=@~-]{0,200}$/

/**
 * What names mean to a get of level 1 (paper 4.3): a SURL is a file of the service it names, a GUID one of the configured
 * service; any other name, and a GUID where no service is configured, is the site's to answer.
 *
 * @param srm the configured service
 * @throws MDM_USAGE
 */
export async function rawNames(
  texts: readonly string[],
  srm: string | undefined,
): Promise<(NamedVolume | NamedFile)[]> {
  const { parseEndpoint, parseSurl, volumeAt } = await import('@mdm/core/grid/srm/srm-url')
  const endpoint = srm === undefined ? undefined : parseEndpoint(srm)
  return texts.map((text) => {
    if (text.startsWith('srm://')) return { text, file: parseSurl(text) }
    const name = parseVolumeName(text)
    return endpoint !== undefined && 'guid' in name
      ? { text, file: volumeAt(endpoint, name.guid, name.version) }
      : { text, name }
  })
}

/** The path of a file under a plan: GUID.mdm for a volume, else as the service calls it. @throws MDM_USAGE */
export function pathOfStored(plan: OutputPlan, { guid, version, sfn }: StorageFile): string {
  if (plan.kind !== 'folder') return plan.path
  if (guid !== undefined) return pathOf(plan, formatVolumeName({ guid, version }))
  const name = basename(sfn)
  if (!FILE_NAME.test(name))
    throw new MdmError(
      'MDM_USAGE',
      'the last part of the SURL is no name for a file here: name it with -o FILE',
    )
  return join(plan.path, name)
}

/** @throws MDM_USAGE where two SURLs would become one file */
export function requireOwnPaths(plan: OutputPlan, names: readonly (NamedVolume | NamedFile)[]): void {
  const paths = names.flatMap((named) => ('file' in named ? [pathOfStored(plan, named.file)] : []))
  if (plan.kind === 'folder' && new Set(paths).size < paths.length)
    throw new MdmError(
      'MDM_USAGE',
      'two of the SURLs would be one file in this folder: fetch them one by one',
    )
}
