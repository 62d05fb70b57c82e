import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readSync, rmSync } from 'node:fs'
import { link, open, rm } from 'node:fs/promises'
import path from 'node:path'
import { MAX_HEADER_BYTES } from '@mdm/core/crypto/container/profile'
import { parseContainerHeader, type ContainerHeader } from '@mdm/core/crypto/container/reader'
import { MdmError } from '@mdm/core/errors'

/** Names in the spool folder are the random message id and nothing else; what is not sealed says so. */
const SEALED = /^[A-Za-z0-9_-]{43}$/
const UNFINISHED = /^[A-Za-z0-9_-]{43}\.(filling|spill)$/

/** A complete container found in the spool folder. */
export interface SpooledContainer {
  readonly header: ContainerHeader
  readonly path: string
  readonly modifiedMs: number
}

/** The three names a preparation may have files under. */
export function spoolPaths(folder: string, etag: string): { filling: string; spill: string; sealed: string } {
  const sealed = path.join(folder, etag)
  return { filling: `${sealed}.filling`, spill: `${sealed}.spill`, sealed }
}

/**
 * Makes the folder (0700) if need be, deletes what was being filled when the last process ended, and finds what it had
 * sealed (FLOW 2.7). A sealed file of the wrong length or form goes too. Other people's files are left alone.
 *
 * @returns sealed containers, the one longest untouched first
 */
export function restoreSpool(folder: string): SpooledContainer[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const found: SpooledContainer[] = []
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name)
    const sealed = SEALED.test(name) ? readSealed(file, name) : undefined
    if (sealed !== undefined) found.push(sealed)
    else if (SEALED.test(name) || UNFINISHED.test(name)) rmSync(file, { force: true })
  }
  return found.sort((a, b) => a.modifiedMs - b.modifiedMs)
}

function readSealed(file: string, etag: string): SpooledContainer | undefined {
  let fd: number | undefined
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
    const start = Buffer.alloc(MAX_HEADER_BYTES)
    const header = parseContainerHeader(start.subarray(0, readSync(fd, start, 0, start.length, 0)))
    const { size, mtimeMs } = fstatSync(fd)
    return header?.etag === etag && header.length === size
      ? { header, path: file, modifiedMs: mtimeMs }
      : undefined
  } catch (error) {
    if (error instanceof MdmError || (error as NodeJS.ErrnoException).code === 'ELOOP') return undefined
    throw error
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/**
 * Gives a complete file its final name, durably and only then: a name without suffix promises every byte.
 *
 * @param file is synced already
 */
export async function publish(filling: string, sealed: string): Promise<void> {
  await link(filling, sealed)
  const folder = await open(path.dirname(sealed), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Deletes spool files; one that is gone is fine, and one that the disk does not let go is tried again until it does. */
export type Discard = (...files: string[]) => Promise<void>

/** How often what could not be deleted is tried again, ms. */
const AGAIN_MS = 1_000

export function createDiscard(): Discard {
  const left = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  const discard: Discard = async (...files) => {
    clearTimeout(timer)
    for (const file of files) left.add(file)
    await Promise.all(
      [...left].map((file) =>
        rm(file, { force: true }).then(
          () => left.delete(file),
          () => undefined,
        ),
      ),
    )
    clearTimeout(timer)
    if (left.size > 0) timer = setTimeout(() => void discard(), AGAIN_MS).unref()
  }
  return discard
}
