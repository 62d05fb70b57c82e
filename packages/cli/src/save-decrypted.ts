import type { OpenOptions } from '@mdm/core/access/decrypt'
import type { Session } from '@mdm/core/access/session'
import type { FormatName } from '@mdm/core/volume/formats/names'
import type { Volume } from '@mdm/core/volume/volume'
import { writeSidecar } from './sidecar-file.ts'

/** One opened container as --json shows it. */
export interface DecryptedFile {
  readonly guid: string
  readonly version: number
  readonly path: string
  readonly bytes: number
  /** of the file as written, hex */
  readonly sha256: string
  /** path of it, where one was asked for */
  readonly sidecar?: string
}

export interface DecryptOptions extends OpenOptions {
  readonly format: FormatName
  readonly slices?: readonly [number, number] | undefined
  /** write a sidecar too: of what the volume says, for no site is asked */
  readonly sidecar: boolean
}

/**
 * Opens a container on disk and writes its volume; a file appears under its name whole or not at all.
 *
 * @param path file to write; stdout when absent
 * @throws what decryptFile throws
 */
export async function saveDecrypted(
  session: Session,
  container: string,
  path: string | undefined,
  o: DecryptOptions,
): Promise<DecryptedFile> {
  const { decryptFile } = await import('@mdm/core/access/decrypt')
  const { saveOpened, writeOpened } = await import('@mdm/core/access/save')
  const volume = await decryptFile(session, container, o)
  try {
    let held = volume.volume
    const noted = { ...o, onVolume: (volume: Volume) => (held = volume) }
    const done = await (path === undefined
      ? writeOpened(volume, process.stdout, noted)
      : saveOpened(volume, { ...noted, path }))
    const { guid, version, bytes, sha256 } = done
    const beside = o.sidecar ? await writeSidecar(done, { volume: held, format: o.format }) : undefined
    return {
      guid,
      version,
      path: done.path,
      bytes,
      sha256,
      ...(beside === undefined ? {} : { sidecar: beside }),
    }
  } finally {
    await volume.close()
  }
}
