import { ERRORS, MdmError, type ErrorCode } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import {
  archiveInfo,
  cancelStage,
  deleteStage,
  discoverTape,
  getStage,
  releaseStaged,
  stageFiles,
  TAPE_MAX_BODY,
  TAPE_PATH,
  type StageState,
  type TapeLocality,
} from '@mdm/core/wire/tape'
import type { z } from 'zod'
import type { App, Refusal } from '../../http/app.ts'
import { route, type AnyContext } from '../../http/route.ts'
import type { Entries, Locality } from '../entries.ts'
import { decodedPath, placeOf } from '../namespace.ts'
import type { Asked, FileState, PreparationRequest, RequestedFile, Requests } from '../requests/requests.ts'
import { fileFinder } from '../requests/names.ts'
import { someTogether } from '../some-together.ts'
import { durationSeconds } from './duration.ts'

export interface TapeRoutes {
  readonly requests: Requests
  readonly entries: Pick<Entries, 'stat'>
  /** name of the site */
  readonly site: string
  /** https://host:port that clients know this listener by */
  readonly base: string
  /** Told of the first file that is refused within an answer, before it is given. */
  refused?(refusal: Refusal): Promise<void>
}

const STATES: Readonly<Record<FileState, StageState>> = {
  QUEUED: 'SUBMITTED',
  IN_PROGRESS: 'STARTED',
  READY: 'COMPLETED',
  RELEASED: 'COMPLETED',
  EXPIRED: 'COMPLETED',
  ABORTED: 'CANCELLED',
  FAILED: 'FAILED',
}
/** Clients that see neither `onDisk` nor an error ask again for ever, whatever the state. */
const ENDS: Readonly<Partial<Record<FileState, string>>> = {
  RELEASED: 'it was released',
  EXPIRED: 'its time is over: stage it again',
  ABORTED: 'it was cancelled',
}
/** The source is the tape: what it has can be made again. */
const LOCALITIES: Readonly<Record<Locality, TapeLocality>> = {
  ONLINE: 'DISK_AND_TAPE',
  NEARLINE: 'TAPE',
  UNAVAILABLE: 'UNAVAILABLE',
}

/**
 * The WLCG Tape REST API, version 1: to fetch volumes from their source into the spool, and keep them there a while. What is staged is
 * read by https as ever.
 */
export function tapeRoutes(app: App, o: TapeRoutes): void {
  const uri = `${o.base}${TAPE_PATH}`
  bounded(app, discoverTape, async () => ({
    sitename: o.site,
    description: 'volumes of a hospital, fetched from its image sources',
    endpoints: [{ uri, version: 'v1' as const, metadata: {} }],
  }))

  bounded(app, stageFiles, async ({ body, caller, requestId, signal, reply }) => {
    const files = body.files.map(({ path }) => askedOf(path))
    const lifetimes = body.files.flatMap(({ diskLifetime: text }) => durationSeconds(text ?? '') ?? [])
    const request = await o.requests.open(caller, {
      ...{ kind: 'stage', files, requestId, signal },
      ...(lifetimes.length === 0 ? {} : { pinSeconds: Math.max(...lifetimes) }),
    })
    void reply.code(201).header('location', `${uri}/stage/${request.token}`)
    return { requestId: request.token }
  })

  bounded(app, getStage, async ({ params, caller }) =>
    stageOf(await o.requests.find(caller, 'stage', params.id)),
  )

  bounded(app, cancelStage, async ({ params, body, caller }) => {
    await requireNamed(o, caller, params.id, body.paths)
    await o.requests.release(caller, 'stage', params.id, body.paths)
    return { body: '' }
  })

  bounded(app, deleteStage, async ({ params, caller }) => {
    await o.requests.remove(caller, 'stage', params.id)
    return { body: '' }
  })

  bounded(app, releaseStaged, async ({ params, body, caller }) => {
    if (params.id === NO_ID) {
      requireAll(await o.requests.releaseNamed(caller, 'stage', body.paths))
      return { body: '' }
    }
    await requireNamed(o, caller, params.id, body.paths)
    await o.requests.release(caller, 'stage', params.id, body.paths)
    return { body: '' }
  })

  bounded(app, archiveInfo, async (c) => await localitiesOf(o, c, c.body.paths))
}

/** Clients write these URLs with a slash at the end or without: the listener does not care. */
const bounded: typeof route = (app, contract, handler) =>
  route(app, contract, handler, { maxBodyBytes: TAPE_MAX_BODY })

function askedOf(path: string): Asked {
  const place = placeOf(decodedPath(path))
  return { surl: path, name: place?.kind === 'volume' ? place.name : undefined }
}

/** What gfal2 calls the request where its user named none: the paths are then meant in all requests of the caller. */
const NO_ID = 'gfal2-placeholder-id'

/** Releasing or cancelling what is not of the request is a mistake that its caller should see. */
async function requireNamed(
  o: TapeRoutes,
  caller: Caller,
  id: string,
  paths: readonly string[],
): Promise<void> {
  const { files } = await o.requests.find(caller, 'stage', id)
  requireAll(paths.map(fileFinder(files)))
}

function requireAll(files: readonly unknown[]): void {
  if (files.includes(undefined)) throw new MdmError('MDM_BAD_REQUEST', 'a path is not one of the request')
}

function stageOf({ token, created, started, finished, files }: PreparationRequest) {
  return {
    ...{ id: token, createdAt: secondsOf(created) },
    ...(started === undefined ? {} : { startedAt: secondsOf(started) }),
    ...(finished === undefined ? {} : { completedAt: secondsOf(finished) }),
    files: files.map(fileOf),
  }
}

function fileOf({ surl, state, code }: RequestedFile) {
  const error = code === undefined ? ENDS[state] : textOf(code)
  return {
    ...{ path: surl, onDisk: state === 'READY', state: STATES[state] },
    ...(error === undefined ? {} : { error }),
  }
}

async function localitiesOf(o: TapeRoutes, c: AnyContext, paths: readonly string[]) {
  let refused: ErrorCode | undefined
  const localityOf = async (path: string): Promise<z.input<typeof archiveInfo.reply & {}>[number]> => {
    const { name } = askedOf(path)
    try {
      if (name === undefined) throw new MdmError('MDM_NOT_FOUND')
      const { locality } = await o.entries.stat(c.caller, name)
      return { path, locality: LOCALITIES[locality] }
    } catch (error) {
      if (!(error instanceof MdmError) || error.status >= 500) throw error
      refused ??= error.code
      return { path, locality: 'NONE', error: textOf(error.code) }
    }
  }
  const infos = await someTogether(paths, localityOf)
  // That somebody tries names he may not know of is seen in the audit log.
  if (refused !== undefined)
    await o.refused?.({ code: refused, caller: c.caller, requestId: c.requestId, params: {} })
  return infos
}

function textOf(code: ErrorCode): string {
  return `${code}: ${ERRORS[code].what}`
}

function secondsOf(time: Date): number {
  return Math.floor(time.getTime() / 1_000)
}
