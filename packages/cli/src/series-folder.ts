import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import type { Level } from './output-plan.ts'

export interface SeriesFlags {
  readonly output?: string | undefined
  readonly level?: Level | undefined
  readonly sidecar: boolean
}

/**
 * The folder in which each volume becomes a folder of DICOM files; made where it is not there.
 *
 * @throws MDM_USAGE when something is asked for that a series of files cannot be
 */
export async function seriesFolder(o: SeriesFlags): Promise<string> {
  const refuse = (why: string) => new MdmError('MDM_USAGE', `--format dicom ${why}`)
  if (o.output === '-') throw refuse('makes many files, which do not go to stdout: name a folder by -o')
  if (o.level === 'raw') throw refuse('needs --level decrypt: a raw container has no format')
  if (o.sidecar) throw refuse('has no sidecar')
  const folder = o.output ?? './'
  await mkdir(folder, { recursive: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST' || cause.code === 'ENOTDIR')
      throw refuse('makes a folder, and -o names a file')
    throw cause
  })
  return folder
}

/** Where the files of one volume go. */
export function pathOfSeries(folder: string, guid: string): string {
  return join(folder, guid)
}
