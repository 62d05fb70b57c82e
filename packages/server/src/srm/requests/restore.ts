import { MdmError } from '@mdm/core/errors'
import { preparedOf, type Rights } from './admit.ts'
import { isOpen, type KnownFile, type KnownRequest } from './known-request.ts'
import type { Prepared } from './pinned-volume.ts'
import type { RequestRows } from './rows.ts'

/**
 * Requests of before a restart.
 *
 * @param known told of each, before the next, and of those of its files that have ended meanwhile
 * @returns the files to begin anew, QUEUED; one that was READY says until when it was pinned
 */
export async function restoreRequests(
  rows: RequestRows,
  o: Pick<Rights, 'catalog'> & { now: Date },
  known: (request: KnownRequest, changed: readonly KnownFile[]) => void,
): Promise<KnownFile[]> {
  const volumes = new Map<string, Promise<Prepared | undefined>>()
  const volumeOf = (named: { guid: Prepared['guid']; version: number }) => {
    const name = `${named.guid}@${named.version}`
    const volume = volumes.get(name) ?? preparedOf(o, named).catch(unlessPassing)
    volumes.set(name, volume)
    return volume
  }
  const waiting: KnownFile[] = []
  for (const stored of await rows.load()) {
    const [files, changed]: [KnownFile[], KnownFile[]] = [[], []]
    const request: KnownRequest = { ...stored, files, settled: Promise.withResolvers<void>() }
    for (const { named, ...row } of stored.files) {
      const file: KnownFile = { ...row, request, volume: undefined, checkedMs: 0 }
      files.push(file)
      if (!isOpen(file)) continue
      const isOver = request.ends <= o.now || (file.state === 'READY' && file.pinnedUntil! <= o.now)
      if (!isOver) file.volume = named && (await volumeOf(named))
      file.state = isOver ? 'EXPIRED' : file.volume === undefined ? 'FAILED' : 'QUEUED'
      if (file.state === 'FAILED') file.code = 'MDM_NOT_FOUND'
      if (file.state === 'QUEUED') waiting.push(file)
      else changed.push(file)
    }
    known(request, changed)
  }
  return waiting
}

/** A volume that the catalog does not have any more; that the store does not answer is no word of it. */
function unlessPassing(error: unknown): undefined {
  if (!(error instanceof MdmError) || error.status >= 500) throw error
}
