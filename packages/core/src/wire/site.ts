import { z } from 'zod'
import { LimitedOperation } from '../identity/limits.ts'
import { Guid, Lfn, Sha256, Surl, Version } from '../names.ts'
import { AclObject, Jws } from './common.ts'
import { contract } from './contract.ts'

/** One row of `mdm ls`. Shape, modality and type only for callers who may read them. */
export const VolumeRow = z.object({
  guid: Guid,
  version: Version,
  lfn: Lfn,
  surl: Surl,
  /** container length in bytes */
  bytes: z.int(),
  modality: z.string().optional(),
  /** columns, rows, slices */
  shape: z.array(z.int()).length(3).optional(),
  registered: z.iso.datetime(),
  /** the set it is in, where the caller may list all of that */
  set: Guid.optional(),
  /** since when its source no longer has it; a get is answered MDM_GONE */
  goneSince: z.iso.datetime().optional(),
})
export type VolumeRow = z.infer<typeof VolumeRow>

/** Volumes on which the caller has `list`, by GUID. */
export const listVolumes = contract({
  method: 'GET',
  path: '/v1/volumes',
  query: z.object({ after: Guid.optional(), limit: z.coerce.number().int().min(1).max(1000).optional() }),
  reply: z.object({ rows: z.array(VolumeRow), next: Guid.optional() }),
})

/** A name of up to 200 characters: GUID, GUID@VERSION, LFN or SURL, URL-encoded. */
const Name = z.string().min(1).max(200)

/**
 * The container of a volume, streamed. Range and If-Range work from the first byte on. Reply headers:
 * ETag (message id), Content-Length, mdm-guid, mdm-version, mdm-kid, mdm-latest, Server-Timing; mdm-slice (from 0) where
 * the name was an instance GUID: the container is the volume's all the same.
 */
export const getContent = contract({
  method: 'GET',
  path: '/v1/content/:name',
  params: z.object({ name: Name }),
})

/** Instance GUIDs: names for the slices of one version, in the order of the volume. Rights are the volume's. */
export const getInstances = contract({
  method: 'GET',
  path: '/v1/volumes/:name/instances',
  params: z.object({ name: Name }),
  reply: z.object({ guid: Guid, version: Version, instances: z.array(Guid) }),
})

/** One volume as `mdm stat` shows it: the row of the list, and what the catalog knows besides. */
export const VolumeStat = VolumeRow.extend({
  /** newest version there is, which the caller may not have */
  latest: Version,
  /** every place where the volume can be asked for */
  replicas: z.array(Surl).max(1000),
  /** of the plaintext; for those who may read the key, from the first delivery on (decision 3) */
  plaintextSha256: Sha256.optional(),
  /** what the caller may do with this version, of what can be delegated */
  may: z.array(LimitedOperation).optional(),
})
export type VolumeStat = z.infer<typeof VolumeStat>

export const getVolume = contract({
  method: 'GET',
  path: '/v1/volumes/:name',
  params: z.object({ name: Name }),
  reply: VolumeStat,
})

/** The state of a preparation, for a client whose stream was cut; known for 10 minutes after it ended. */
export const getPreparation = contract({
  method: 'GET',
  path: '/v1/volumes/:guid/preparations/:etag',
  params: z.object({ guid: Guid, etag: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }),
  reply: z.object({
    state: z.enum(['KEYED', 'FILLING', 'SEALED', 'EXPIRED', 'FAILED']),
    /** first frame that is not there yet, from 1 */
    contiguous: z.int().optional(),
    code: z.string().optional(),
    message: z.string().optional(),
  }),
})

const Cell = z.union([z.string(), z.number(), z.null()])

/** Metadata query (paper 4.2); columns named in `expr` need the right to read them. */
export const postQuery = contract({
  method: 'POST',
  path: '/v1/query',
  asksOnly: true,
  body: z.object({ expr: z.string().max(4000), limit: z.int().min(1).max(10_000).optional() }).strict(),
  reply: z.object({ rows: z.array(z.record(z.string(), Cell)), withheld: z.array(z.string()) }),
})

/** The metadata rows of one volume that the caller may read, table by table. */
export const getMetadata = contract({
  method: 'GET',
  path: '/v1/volumes/:name/metadata',
  params: z.object({ name: Name }),
  reply: z.object({
    guid: Guid,
    version: Version,
    tables: z.record(z.string(), z.record(z.string(), Cell)),
    /** names of tables and columns (table.column) not shown */
    withheld: z.array(z.string()),
  }),
})

/** Every statement chain of a volume, for administrators. */
export const getAcl = contract({
  method: 'GET',
  path: '/v1/volumes/:guid/acl',
  params: z.object({ guid: Guid }),
  reply: z.object({ chains: z.array(z.object({ object: AclObject, statements: z.array(Jws) })) }),
})

/** One source of the site. */
export const SourceRow = z.object({
  name: z.string(),
  /** `folder`, `dicom`, `dicoms` or `dicomweb` */
  kind: z.string(),
  /** title and address of a server: AET@host:port, or host:port/root; absent for a folder */
  server: z.string().optional(),
})
export type SourceRow = z.infer<typeof SourceRow>

/** Where the images of the site are; for its administrators. */
export const listSources = contract({
  method: 'GET',
  path: '/v1/sources',
  reply: z.object({ sources: z.array(SourceRow) }),
})

/** Tries one source of the site, which may take a minute; for its administrators. */
export const testSource = contract({
  method: 'POST',
  path: '/v1/sources/:name/test',
  params: z.object({ name: z.string().max(32) }),
  reply: z.object({
    steps: z.array(
      z.object({
        /** such as associate, echo, find, c-get, wado-rs, read */
        step: z.string(),
        ok: z.boolean(),
        ms: z.number(),
        /** what was found, or why not; no patient data */
        note: z.string(),
        code: z.string().optional(),
      }),
    ),
    /** how objects will be retrieved: the first is used, the next ones when it fails */
    methods: z.array(z.string()),
  }),
})
export type SourceTest = z.infer<typeof testSource.reply & {}>
