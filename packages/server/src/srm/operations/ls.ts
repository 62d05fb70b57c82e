import { MdmError } from '@mdm/core/errors'
import type { Guid } from '@mdm/core/names'
import { MAX_DETAILS, type FolderDetail, type LsRequest, type PathDetail } from '@mdm/core/wire/srm/listing'
import { refusal } from '@mdm/core/wire/srm/status'
import type { Entry } from '../entries.ts'
import { FOLDER, pathOfSurl } from '../namespace.ts'
import { placeOfSurl, refusalOfFile, statusOfAll, SUCCESS, type Call, type Handler } from './operation.ts'

/** How far a page may begin that follows no other: entries are counted to get there. */
const MAX_COUNTED = 10_000
/** Entries looked at in one go while counting. */
const STEP = 500

/** SRM's words for where a container is: the source has it as a tape would, the spool as a disk. */
const LOCALITY = { ONLINE: 'ONLINE_AND_NEARLINE', NEARLINE: 'NEARLINE', UNAVAILABLE: 'UNAVAILABLE' } as const

/**
 * srmLs: one volume with its checksum where it has one, or the one folder with the volumes that the caller may know of. A volume
 * that he may not know of is answered as a path that does not exist.
 *
 * @see SRM v2.2 section 4.4
 */
export const ls: Handler<'srmLs'> = async (call) => {
  const { arrayOfSURLs: surls, numOfLevels = 0, offset = 0, count = 0 } = call.request
  if (Math.min(numOfLevels, offset, count) < 0) throw new MdmError('MDM_BAD_REQUEST')
  const details: FolderDetail[] = []
  let left = MAX_DETAILS
  for (const surl of surls) {
    const detail = await detailOf(call, surl, left)
    left -= detail.arrayOfSubPaths?.length ?? 0
    details.push(detail)
  }
  const tooMany = details.find(({ status }) => status?.statusCode === 'SRM_TOO_MANY_RESULTS')?.status
  // gfal2 pages where the path says so, ARC where the whole does.
  const returnStatus = tooMany ?? statusOfAll(details.map(({ status }) => status ?? SUCCESS))
  return { returnStatus, details }
}

/** @param left entries that the reply may still name */
async function detailOf(call: Call<'srmLs'>, surl: string, left: number): Promise<FolderDetail> {
  const { request, caller, entries } = call
  const full = request.fullDetailedList === true
  const place = placeOfSurl(surl)
  // As it was asked for, also where there is nothing.
  const path = pathOfSurl(surl) ?? surl
  try {
    if (place?.kind === 'folder') return { ...(await folderOf(call, full, left)), path }
    if (place !== undefined)
      return { ...fileOf(await entries.stat(caller, place.name, { digest: full }), full), path }
  } catch (error) {
    const { code, status } = refusalOfFile(error)
    call.refused(code, place)
    return { path, status }
  }
  call.refused('MDM_NOT_FOUND')
  return { path, status: refusal('MDM_NOT_FOUND') }
}

async function folderOf(call: Call<'srmLs'>, full: boolean, left: number): Promise<FolderDetail> {
  const folder: FolderDetail = {
    ...{ path: FOLDER, status: SUCCESS, size: 0 },
    ...(full
      ? {
          lifetimeAssigned: -1,
          lifetimeLeft: -1,
          ...permissionOf('RX'),
        }
      : {}),
    type: 'DIRECTORY',
  }
  if (levelsOf(call.request) === 0) return folder
  const page = await pageOf(call, left)
  if (page === 'too many')
    return { ...folder, status: { statusCode: 'SRM_TOO_MANY_RESULTS', explanation: TOO_MANY } }
  return { ...folder, arrayOfSubPaths: page.map((entry) => fileOf(entry, full)) }
}

const TOO_MANY = `ask with count, ${MAX_DETAILS} at most, and offset`

/** One level where nothing is told; deeper there is nothing. */
function levelsOf({ allLevelRecursive, numOfLevels }: LsRequest): number {
  return allLevelRecursive === true ? 1 : (numOfLevels ?? 1)
}

async function pageOf(call: Call<'srmLs'>, left: number): Promise<Entry[] | 'too many'> {
  const { caller, entries, request, pageEnds } = call
  const count = request.count !== undefined && request.count > 0 ? request.count : undefined
  const offset = request.offset ?? 0
  if (count !== undefined && count > MAX_DETAILS) return 'too many'
  let after = pageEnds.find(caller, offset)
  if (after === undefined && offset > 0) {
    if (offset > MAX_COUNTED) return 'too many'
    after = await guidBefore(call, offset)
    if (after === undefined) return []
  }
  const page = await entries.list(caller, { after, limit: Math.min(count ?? Infinity, left + 1) })
  if (page.length > left) return 'too many'
  const last = page.at(-1)
  if (last !== undefined) pageEnds.note(caller, offset + page.length, last.guid)
  return page
}

/** The GUID of the entry before `offset`; undefined where there are fewer. */
async function guidBefore({ caller, entries }: Call<'srmLs'>, offset: number): Promise<Guid | undefined> {
  let after: Guid | undefined
  for (let seen = 0; seen < offset;) {
    const limit = Math.min(STEP, offset - seen)
    const step = await entries.list(caller, { after, limit })
    if (step.length < limit) return undefined
    after = step.at(-1)!.guid
    seen += step.length
  }
  return after
}

function fileOf(entry: Entry, full: boolean): PathDetail {
  return {
    ...{ path: entry.path, status: SUCCESS, size: entry.bytes },
    ...(full
      ? {
          createdAtTime: entry.created,
          lastModificationTime: entry.created,
          fileStorageType: 'PERMANENT',
          retentionPolicyInfo: { retentionPolicy: 'CUSTODIAL', accessLatency: 'NEARLINE' },
          fileLocality: LOCALITY[entry.locality],
          lifetimeAssigned: -1,
          lifetimeLeft: -1,
          ...permissionOf(entry.readable ? 'R' : 'NONE'),
          ...(entry.adler32 === undefined ? {} : { checkSumType: 'ADLER32', checkSumValue: entry.adler32 }),
        }
      : {}),
    type: 'FILE',
  }
}

/** Nobody writes here, and the name of nobody is told: `mode` is the caller's own. */
function permissionOf(mode: 'R' | 'RX' | 'NONE'): Partial<PathDetail> {
  return {
    ownerPermission: { userID: 'mdm', mode },
    groupPermission: { groupID: 'mdm', mode },
    otherPermission: 'NONE',
  }
}
