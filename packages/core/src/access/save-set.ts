import { rm } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { MdmError } from '../errors.ts'
import { formatVolumeName } from '../names.ts'
import { FORMATS, parseNrrdHeader } from '../volume/formats/index.ts'
import type { SetStat } from '../wire/sets.ts'
import { decryptFile, openVolume } from './decrypt.ts'
import { claimPart } from './part-file.ts'
import { fetchVerified } from './part-transfer.ts'
import {
  attempts,
  draftOf,
  isRefusal,
  type SavedFile,
  type SaveFileOptions,
  type SaveOptions,
} from './save.ts'
import type { Session } from './session.ts'
import { axisOf, setContent, type SetContentOptions } from './set-content.ts'
import { setNamed, type SetName } from './sets.ts'
import { writeStream, writeWhole, type Written } from './whole-file.ts'

/** A set that was saved as one file. */
export interface SavedSet extends SavedFile {
  /** its volumes, in order along the axis */
  readonly members: SetStat['members']
}

type SetOptions<O extends SaveOptions> = Omit<O, 'onVolume'> & Pick<SetContentOptions, 'onVolume'>

/**
 * Saves a set as one file of four dimensions. The container of each volume goes to a `.part` of its own beside the file and stays there
 * until all have come and were verified; only then are they decrypted, one after the other, into the file, which has its name when it is
 * whole. What is interrupted leaves the `.part`s, and the next call goes on at the first that is not whole; what is refused leaves nothing.
 *
 * @throws as saveVolume, for any volume of the set; MDM_USAGE for `raw` and for a format that holds no set
 */
export async function saveSet(
  session: Session,
  name: SetName,
  o: SetOptions<SaveFileOptions>,
): Promise<SavedSet> {
  const set = await setOf(session, name, o)
  if (o.slices !== undefined) return saved(set, o.path, await writeWhole(o.path, opened(session, set, o)), 0)
  const part = await claimPart(o.path)
  let keep = false
  try {
    part.confirm(set)
    await rm(draftOf(o.path), { force: true })
    let resumedFrom = 0
    for (const i of set.members.keys()) resumedFrom += await fetchMember(session, set, i, o)
    const finished = o.timing?.start('finish')
    const content = setContent(set, (i) => decryptFile(session, `${memberPath(set, i, o)}.part`, o), o)
    const written = await writeWhole(o.path, content, { temporary: draftOf(o.path) })
    finished?.()
    return saved(set, o.path, written, resumedFrom)
  } catch (error) {
    keep = isWorthKeeping(error)
    throw error
  } finally {
    if (!keep) for (const i of set.members.keys()) await rm(`${memberPath(set, i, o)}.part`, { force: true })
    await part.close(keep)
  }
}

/** Writes a set to a stream, each frame as soon as it is verified; an error means that the end is missing. */
export async function writeSet(
  session: Session,
  name: SetName,
  out: Writable,
  o: SetOptions<SaveOptions>,
): Promise<SavedSet> {
  const set = await setOf(session, name, o)
  return saved(set, '-', await writeStream(out, opened(session, set, o)), 0)
}

async function setOf(
  session: Session,
  name: SetName,
  o: Pick<SaveOptions, 'level' | 'signal'>,
): Promise<SetStat> {
  if (o.level === 'raw')
    throw new MdmError(
      'MDM_USAGE',
      'a set has no container of its own: use --level decrypt, or name its volumes',
    )
  const set = await setNamed(session, name, o.signal)
  if (set.values === undefined && session.credential.delegation?.limits !== undefined) {
    const text =
      'a capability reads no metadata, of which the header of a set is made: get its volumes by their own GUIDs'
    throw new MdmError('MDM_DENIED', text)
  }
  return set
}

/** The file made of volumes that are read at the site as they are written. */
function opened(session: Session, set: SetStat, o: SetOptions<SaveOptions>): AsyncIterable<Buffer> {
  return setContent(set, (i) => openVolume(session, set.members[i]!, { ...o, timing: undefined }), o)
}

/** Each member and version has a name of its own, so that no get takes another's for it. */
function memberPath({ members }: SetStat, i: number, { path }: Pick<SaveFileOptions, 'path'>): string {
  return `${path}.${formatVolumeName(members[i]!)}`
}

/**
 * Completes and verifies the `.part` of one member. A whole one of an earlier get is verified when it is decrypted.
 *
 * @returns how many bytes were there before
 */
async function fetchMember(
  session: Session,
  set: SetStat,
  i: number,
  o: SetOptions<SaveFileOptions>,
): Promise<number> {
  const member = set.members[i]!
  const part = await claimPart(memberPath(set, i, o))
  let keep = true
  try {
    part.confirm(member)
    if (part.isWhole) return part.found!.length
    const onProgress = (done: number, total: number) =>
      o.onProgress?.(i * total + done, set.members.length * total)
    const { resumedFrom } = await attempts(part, o, () =>
      fetchVerified(session, member, part, { ...o, timing: undefined, onProgress }, (plaintext) =>
        requireHeld(plaintext, set, o),
      ),
    )
    return resumedFrom
  } catch (error) {
    keep = isWorthKeeping(error)
    throw error
  } finally {
    await part.close(keep)
  }
}

/** What was refused, or asked for wrongly, is not gone on with. */
function isWorthKeeping(error: unknown): boolean {
  return !isRefusal(error) && !(error instanceof MdmError && error.code === 'MDM_USAGE')
}

/** Reads a plaintext to its end; a format that cannot hold the set is refused at its beginning. */
async function requireHeld(
  plaintext: AsyncIterable<Buffer>,
  set: SetStat,
  { format }: Pick<SaveOptions, 'format'>,
): Promise<void> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const piece of plaintext) {
    if (head === undefined) continue
    head = Buffer.concat([head, piece])
    const parsed = parseNrrdHeader(head)
    if (parsed === undefined) continue
    FORMATS[format].header(parsed.volume, axisOf(set))
    head = undefined
  }
}

function saved(
  { guid, version, latest, members }: SetStat,
  path: string,
  written: Written,
  resumedFrom: number,
): SavedSet {
  return { guid, version, latest, path, ...written, resumedFrom, members }
}
