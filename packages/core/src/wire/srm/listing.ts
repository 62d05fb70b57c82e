import { z } from 'zod'
import { ReturnStatus } from './status.ts'
import {
  BOOLEAN,
  DATE_TIME,
  INT,
  listOf,
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
  size: one(UNSIGNED).optional(),
  createdAtTime: one(DATE_TIME).optional(),
  lastModificationTime: one(DATE_TIME).optional(),
  fileStorageType: one(FileStorageType).optional(),
  retentionPolicyInfo: one(
    struct({
      retentionPolicy: one(z.enum(['REPLICA', 'OUTPUT', 'CUSTODIAL'])),
      accessLatency: one(z.enum(['ONLINE', 'NEARLINE'])).optional(),
    }),
  ).optional(),
  fileLocality: one(FileLocality).optional(),
  type: one(FileType).optional(),
  /** seconds; -1 for ever */
  lifetimeAssigned: one(INT).optional(),
  lifetimeLeft: one(INT).optional(),
  ownerPermission: one(struct({ userID: one(string(256)), mode: one(PermissionMode) })).optional(),
  groupPermission: one(struct({ groupID: one(string(256)), mode: one(PermissionMode) })).optional(),
  otherPermission: one(PermissionMode).optional(),
  /** ADLER32 and the like, in any case */
  checkSumType: one(trimmed(64)).optional(),
  checkSumValue: one(trimmed(256)).optional(),
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
  requestToken: one(trimmed(256)).optional(),
  details: listOf('pathDetailArray', FolderDetail).optional(),
})
export type LsReply = z.output<typeof LsReply>
