import { z } from 'zod'
import { contract } from './contract.ts'

/** Where clients of storage elements look for the interface, by custom of all of them. */
export const TAPE_WELL_KNOWN = '/.well-known/wlcg-tape-rest-api'
/** Where it is here. */
export const TAPE_PATH = '/tape/v1'
/** Bytes of a body. */
export const TAPE_MAX_BODY = 1024 * 1024

/** Path of a file, such as /mdm/GUID. */
const Path = z.string().min(1).max(1_024)
const Paths = z.object({ paths: z.array(Path).min(1).max(1_000) })
const RequestId = z.object({ id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) })
/** Seconds since 1970. */
const Time = z.int().min(0)

/** What of a request has become of one file. */
export const StageState = z.enum(['SUBMITTED', 'STARTED', 'CANCELLED', 'FAILED', 'COMPLETED'])
export type StageState = z.infer<typeof StageState>

/** DISK_AND_TAPE: sealed in the spool, and the source has it; TAPE: the source alone; NONE: nothing that the caller may know of. */
export const TapeLocality = z.enum(['DISK', 'TAPE', 'DISK_AND_TAPE', 'LOST', 'NONE', 'UNAVAILABLE'])
export type TapeLocality = z.infer<typeof TapeLocality>

export const discoverTape = contract({
  ...{ method: 'GET', path: TAPE_WELL_KNOWN },
  reply: z.object({
    sitename: z.string(),
    description: z.string(),
    endpoints: z.array(
      z.object({ uri: z.url(), version: z.literal('v1'), metadata: z.record(z.string(), z.string()) }),
    ),
  }),
})

/** The same request sent twice is two requests: each has its own pins. */
export const stageFiles = contract({
  ...{ method: 'POST', path: `${TAPE_PATH}/stage` },
  body: z.object({
    files: z
      .array(
        z.object({
          path: Path,
          /** how long it shall stay, ISO 8601 */
          diskLifetime: z.iso.duration().max(64).optional(),
        }),
      )
      .min(1)
      .max(1_000),
  }),
  reply: z.object({ requestId: z.string() }),
})

export const getStage = contract({
  ...{ method: 'GET', path: `${TAPE_PATH}/stage/:id`, params: RequestId },
  reply: z.object({
    id: z.string(),
    createdAt: Time,
    startedAt: Time.optional(),
    completedAt: Time.optional(),
    files: z.array(
      z.object({ path: Path, onDisk: z.boolean(), state: StageState, error: z.string().max(500).optional() }),
    ),
  }),
})

export const cancelStage = contract({
  ...{ method: 'POST', path: `${TAPE_PATH}/stage/:id/cancel`, params: RequestId, body: Paths },
})
export const deleteStage = contract({
  ...{ method: 'DELETE', path: `${TAPE_PATH}/stage/:id`, params: RequestId },
})
export const releaseStaged = contract({
  ...{ method: 'POST', path: `${TAPE_PATH}/release/:id`, params: RequestId, body: Paths },
})

export const archiveInfo = contract({
  ...{ method: 'POST', path: `${TAPE_PATH}/archiveinfo`, body: Paths },
  reply: z.array(z.object({ path: Path, locality: TapeLocality, error: z.string().max(500).optional() })),
})
