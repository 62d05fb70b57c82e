import { z } from 'zod'
import { ReturnStatus } from './status.ts'
import {
  BOOLEAN,
  DATE_TIME,
  INT,
  listOf,
  maybe,
  one,
  someOf,
  string,
  struct,
  SURL,
  trimmed,
  UNSIGNED,
} from './values.ts'

/** TPermissionMode */
export const PermissionMode = z.enum(['NONE', 'X', 'W', 'WX', 'R', 'RX', 'RW', 'RWX'])
export type PermissionMode = z.infer<typeof PermissionMode>

export const FileType = z.enum(['FILE', 'DIRECTORY', 'LINK'])
export const FileLocality = z.enum([
  'ONLINE',
  'NEARLINE',
  'ONLINE_AND_NEARLINE',
  'LOST',
  'NONE',
  'UNAVAILABLE',
])
export const FileStorageType = z.enum(['VOLATILE', 'DURABLE', 'PERMANENT'])

/** The most paths that one reply may name. */
export const MAX_DETAILS = 1_000

export const LsRequest = struct(
  {
    arrayOfSURLs: someOf('urlArray', SURL),
    fullDetailedList: one(BOOLEAN).optional(),
    allLevelRecursive: one(BOOLEAN).optional(),
    numOfLevels: one(INT).optional(),
    offset: one(INT).optional(),
    count: one(INT).optional(),
  },
  { arrayOfSURLs: 'storageSystemInfo' },
)
export type LsRequest = z.output<typeof LsRequest>

const detail = {
  path: one(trimmed(2_048)),
  status: one(ReturnStatus).optional(),
  size: maybe(UNSIGNED),
  createdAtTime: maybe(DATE_TIME),
  lastModificationTime: maybe(DATE_TIME),
  fileStorageType: maybe(FileStorageType),
  retentionPolicyInfo: maybe(
    struct({
      retentionPolicy: one(z.enum(['REPLICA', 'OUTPUT', 'CUSTODIAL'])),
      accessLatency: maybe(z.enum(['ONLINE', 'NEARLINE'])),
    }),
  ),
  fileLocality: maybe(FileLocality),
  type: maybe(FileType),
  /** seconds; -1 for ever */
  lifetimeAssigned: maybe(INT),
  lifetimeLeft: maybe(INT),
  ownerPermission: maybe(struct({ userID: one(string(256)), mode: one(PermissionMode) })),
  groupPermission: maybe(struct({ groupID: one(string(256)), mode: one(PermissionMode) })),
  otherPermission: maybe(PermissionMode),
  /** ADLER32 and the like, in any case */
  checkSumType: maybe(trimmed(64)),
  checkSumValue: maybe(trimmed(256)),
}

/** TMetaDataPathDetail of what lies in a folder. */
export const PathDetail = struct(detail)
export type PathDetail = z.output<typeof PathDetail>

/** TMetaDataPathDetail of what was asked for; deeper levels than one are not read. */
export const FolderDetail = struct({
  ...detail,
  arrayOfSubPaths: listOf('pathDetailArray', PathDetail, 10_000).optional(),
})
export type FolderDetail = z.output<typeof FolderDetail>

export const LsReply = struct({
  returnStatus: one(ReturnStatus),
  requestToken: maybe(trimmed(256)),
  details: listOf('pathDetailArray', FolderDetail).optional(),
})
export type LsReply = z.output<typeof LsReply>

/** Asked of services that answer srmLs later; MDM answers at once. */
export const StatusOfLsRequest = struct({ requestToken: one(trimmed(256)) })
export const StatusOfLsReply = struct({
  returnStatus: one(ReturnStatus),
  details: listOf('pathDetailArray', FolderDetail).optional(),
})
