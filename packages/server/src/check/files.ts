import { stat } from 'node:fs/promises'
import { fault, good, shellWord, type Finding } from '@mdm/core/findings'

/** A file or folder that only its owner may see. */
export interface PrivatePath {
  readonly path: string
  /** a key never changes: 0400; what is written: 0600; a folder: 0700 */
  readonly kind: 'key' | 'file' | 'folder'
  /** it is no fault when it is not there */
  readonly optional?: boolean
}

const MODES = { key: '400', file: '600', folder: '700' } as const

/**
 * Is each file there, its owner's, and closed to others?
 *
 * @param o `owner` is the uid that the server runs as, `restore` the command that brings back what is missing
 * @returns one finding for each path that is not as it should be, or one that all are
 */
export async function checkFiles(
  paths: readonly PrivatePath[],
  o: { owner: number | undefined; restore: string },
): Promise<Finding[]> {
  const faults = (await Promise.all(paths.map((path) => faultsOf(path, o)))).flat()
  return faults.length > 0 ? faults : [good('file-mode', '', 'keys and data are closed to other users')]
}

/** Who the server runs as: whoever asks, or the owner of the folder of the configuration when root asks. */
export async function ownerOf(folder: string): Promise<number | undefined> {
  const uid = process.getuid?.()
  return uid === 0 ? (await stat(folder).catch(() => undefined))?.uid : uid
}

async function faultsOf(
  { path, kind, optional }: PrivatePath,
  { owner, restore }: { owner: number | undefined; restore: string },
): Promise<Finding[]> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) {
    const what = kind === 'key' ? 'the key file is missing' : `the ${kind} is missing`
    return optional === true ? [] : [fault('file', path, what, restore)]
  }
  const mode = found.mode & 0o777
  const name = shellWord(path)
  return [
    ...((mode & 0o077) === 0
      ? []
      : [
          fault('file-mode', path, `others may see it (mode ${octal(mode)})`, `chmod ${MODES[kind]} ${name}`),
        ]),
    ...(owner === undefined || found.uid === owner
      ? []
      : [
          fault(
            'file-owner',
            path,
            `it belongs to user ${found.uid}, not to ${owner}`,
            `chown ${owner} ${name}`,
          ),
        ]),
  ]
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
