import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Intake } from '../crypto/container/intake.ts'
import { MdmError } from '../errors.ts'
import type { VolumeName } from '../names.ts'
import { dicomSlice, requireDicom } from '../volume/dicom-series/slice.ts'
import { sliceBytes, type Volume } from '../volume/volume.ts'
import { openVolume, type OpenOptions, type OpenVolume } from './decrypt.ts'
import type { SavedFile } from './save.ts'
import type { Session } from './session.ts'
import { syncFolder } from './whole-file.ts'

export interface SaveSeriesOptions extends OpenOptions {
  /** of the folder, which must not be there yet */
  readonly path: string
  /** first and last slice, 0-based, both included */
  readonly slices?: readonly [number, number] | undefined
  readonly onVolume?: ((volume: Volume) => void) | undefined
}

/**
 * Saves a volume as a de-identified DICOM series: a folder with a file for each slice, which appears whole or not at all.
 *
 * @returns bytes of all files, and the SHA-256 of them one after the other
 * @throws what openVolume throws; MDM_USAGE when DICOM cannot hold the volume; MDM_CONFLICT when the folder is there
 */
export async function saveSeries(
  session: Session,
  name: VolumeName,
  o: SaveSeriesOptions,
): Promise<SavedFile> {
  const opened = await openVolume(session, name, o)
  try {
    return await saveOpenedSeries(opened, o)
  } finally {
    await opened.close()
  }
}

/** The same for a volume that is open. */
export async function saveOpenedSeries(
  opened: OpenVolume,
  o: Omit<SaveSeriesOptions, keyof OpenOptions>,
): Promise<SavedFile> {
  const { guid, version, latest, volume, named } = opened
  const only = o.slices ?? (named === undefined ? undefined : ([named, named] as const))
  const [first, last] = only ?? [0, volume.slices - 1]
  requireDicom(volume)
  o.onVolume?.(volume)
  const temporary = join(dirname(o.path), `.${basename(o.path)}.${randomBytes(6).toString('hex')}.tmp`)
  await mkdir(temporary, { mode: 0o700 })
  // One request for all: each slice by itself would be one to the site, and its first and last frame opened twice.
  const voxels = new Intake(opened.stream({ slices: [first, last] }))
  try {
    const hash = createHash('sha256')
    let bytes = 0
    for (let k = first; k <= last; k++) {
      const { buffer, byteOffset, length } = await voxels.take(sliceBytes(volume))
      const file = dicomSlice(volume, { guid, version }, k, Buffer.from(buffer, byteOffset, length))
      await writeFile(join(temporary, `${String(k + 1).padStart(5, '0')}.dcm`), file)
      hash.update(file)
      bytes += file.length
    }
    await syncFolder(join(temporary, 'any'))
    await rename(temporary, o.path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOTEMPTY' && cause.code !== 'EEXIST' && cause.code !== 'ENOTDIR') throw cause
      throw new MdmError('MDM_CONFLICT', 'the folder for the DICOM series is there already', { cause })
    })
    await syncFolder(o.path)
    return {
      ...{ guid, version, path: o.path, bytes, sha256: hash.digest('hex'), resumedFrom: 0 },
      ...(latest === undefined ? {} : { latest }),
    }
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw error
  } finally {
    await voxels.close()
  }
}

/** Written and on disk, readable by its owner alone. */
async function writeFile(path: string, content: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}
