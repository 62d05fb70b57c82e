import { formatVolumeName, Guid, Lfn, parseVolumeName, type VolumeName } from '@mdm/core/names'

/** What a path of the storage element means: a volume, or the one folder that lists the volumes a caller may know of. */
export type Place = { readonly kind: 'volume'; readonly name: VolumeName } | { readonly kind: 'folder' }

/** Where volumes lie by GUID, or GUID@VERSION; by LFN they lie below /lfn. */
export const FOLDER = '/mdm'
const BY_LFN = '/lfn'
const MAX_PATH = 512

/**
 * The place of a path: of an SRM request (SFN), of an https URL, of a tape request.
 *
 * @param given decoded, such as /mdm/GUID; several slashes are one
 * @returns undefined for what can never be there; the answer is the same as for what a caller may not know of
 */
export function placeOf(given: string): Place | undefined {
  if (given.length > MAX_PATH) return undefined
  const path = given.replace(/\/{2,}/g, '/')
  if (/^\/(?:mdm\/?)?$/.test(path)) return { kind: 'folder' }
  if (path.startsWith(`${BY_LFN}/`)) {
    const lfn = Lfn.safeParse(path.slice(BY_LFN.length))
    return lfn.success ? { kind: 'volume', name: { lfn: lfn.data } } : undefined
  }
  const text = /^\/mdm\/([0-9A-Fa-f-]{36}(?:@[0-9]{1,7})?)$/.exec(path)?.[1]
  if (text === undefined || !Guid.safeParse(text.slice(0, 36).toLowerCase()).success) return undefined
  try {
    return { kind: 'volume', name: parseVolumeName(text) }
  } catch {
    return undefined
  }
}

/** The path of a volume, by the name it was asked for with where that has one. */
export function pathOf(name: VolumeName): string {
  if ('lfn' in name) return BY_LFN + name.lfn
  if ('instance' in name) return `${FOLDER}/${name.instance}`
  if ('surl' in name) return pathOfSurl(name.surl) ?? FOLDER
  return `${FOLDER}/${formatVolumeName(name)}`
}

/** A path without its percent-encoding; one that is wrongly encoded as it is. */
export function decodedPath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** The path of a SURL as clients write it, full (`srm://HOST/srm/managerv2?SFN=PATH`) or short; undefined when it is none. */
export function pathOfSurl(surl: string): string | undefined {
  const match = /^srm:\/\/[^/?#\s]{1,300}(\/[^?#\s]*)(?:\?SFN=([^\s#]*))?$/i.exec(surl)
  if (match === null || surl.length > 1024) return undefined
  const path = match[2] ?? match[1]!
  return path.startsWith('/') ? path : `/${path}`
}
