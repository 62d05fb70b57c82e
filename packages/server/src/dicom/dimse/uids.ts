/** UIDs that the protocol itself needs (PS3.6 annex A, PS3.4 annexes A, B, C). Storage classes are the caller's matter. */

export { IMPLEMENTATION_CLASS } from '@mdm/core/volume/dicom-series/implementation'

export const APPLICATION_CONTEXT = '1.2.840.10008.3.1.1.1'
export const VERIFICATION = '1.2.840.10008.1.1'

/** Query/Retrieve information models (PS3.4 C.6). */
export const QUERY_RETRIEVE = {
  patient: {
    find: '1.2.840.10008.5.1.4.1.2.1.1',
    move: '1.2.840.10008.5.1.4.1.2.1.2',
    get: '1.2.840.10008.5.1.4.1.2.1.3',
  },
  study: {
    find: '1.2.840.10008.5.1.4.1.2.2.1',
    move: '1.2.840.10008.5.1.4.1.2.2.2',
    get: '1.2.840.10008.5.1.4.1.2.2.3',
  },
} as const

const STANDARD = '1.2.840.10008.'
const STANDARD_STORAGE = ['1.2.840.10008.5.1.4.1.1.', '1.2.840.10008.5.1.4.34.7', '1.2.840.10008.5.1.4.34.10']

/** True for storage SOP classes of the standard, and for private classes, of which nobody can know (PS3.4 annex B). */
export function isStorageClass(uid: string): boolean {
  return !uid.startsWith(STANDARD) || STANDARD_STORAGE.some((root) => uid.startsWith(root))
}

export const IMPLEMENTATION_VERSION = 'MDM'

/** Digits and dots, at most 64 characters (PS3.5 9.1). */
export function isUid(text: string): boolean {
  return /^[0-9.]{1,64}$/.test(text)
}
