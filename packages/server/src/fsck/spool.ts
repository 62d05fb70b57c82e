import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MAX_HEADER_BYTES } from '@mdm/core/crypto/container/profile'
import { parseContainerHeader, type ContainerHeader } from '@mdm/core/crypto/container/reader'
import { MdmError } from '@mdm/core/errors'
import type { ActiveVersion } from './volumes.ts'
import type { Collector } from './findings.ts'

/** Names of the spool: a message id, which says nothing of the volume, and what is not sealed says so. */
const NAME = /^[A-Za-z0-9_-]{43}(\.filling|\.spill)?$/

/** The files of the spool folder; one that goes while it is looked at is not there. */
export async function checkSpool(
  folder: string,
  active: readonly ActiveVersion[],
  to: Collector,
): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  const known = new Set(active.map(({ guid, version, kid }) => `${guid} ${version} ${kid}`))
  for (const name of names.toSorted()) {
    const [, suffix] = NAME.exec(name) ?? [undefined, 'foreign']
    if (suffix === 'foreign') {
      to.find('spool-foreign', 'a file')
      continue
    }
    to.look('spool files')
    const file = await readHead(join(folder, name))
    if (file === undefined) continue
    const short = name.slice(0, 12)
    if ((file.mode & 0o777) !== 0o600) to.find('file-mode', `spool file ${short}`)
    const { header } = file
    if (suffix !== undefined) to.find('spool-unfinished', short)
    else if (header === undefined || header.etag !== name || header.length !== file.size)
      to.find('spool-damaged', short)
    else if (!known.has(`${header.context.guid} ${header.context.version} ${header.context.kid}`))
      to.find('spool-unknown-volume', `${short} of ${header.context.guid}@${header.context.version}`)
  }
}

async function readHead(
  path: string,
): Promise<{ mode: number; size: number; header?: ContainerHeader | undefined } | undefined> {
  let handle
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    const { mode, size } = await handle.stat()
    const start = Buffer.alloc(MAX_HEADER_BYTES)
    const { bytesRead } = await handle.read(start, 0, start.length, 0)
    return { mode, size, header: headerOf(start.subarray(0, bytesRead)) }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code === 'ELOOP' || code === 'EISDIR') return { mode: 0o600, size: -1 }
    throw error
  } finally {
    await handle?.close()
  }
}

function headerOf(bytes: Buffer): ContainerHeader | undefined {
  try {
    return parseContainerHeader(bytes)
  } catch (error) {
    if (error instanceof MdmError) return undefined
    throw error
  }
}
