import { isWaiting, type KnownFile, type KnownRequest } from './known-request.ts'
import type { PreparationRequest, RequestedFile } from './requests.ts'
import { turlToken } from './tokens.ts'
import type { KeyObject } from 'node:crypto'

export interface AnswerOptions {
  readonly now: Date
  /** makes tokens of URLs */
  readonly turlKey: KeyObject
  /** https://host:port, without a slash at its end */
  readonly base: string
}

/** A request as its caller sees it. @param token as he showed it */
export function answerOf(request: KnownRequest, token: string, o: AnswerOptions): PreparationRequest {
  const { kind, created, started, finished } = request
  return {
    ...{ token, kind, created },
    ...(started === undefined ? {} : { started }),
    ...(finished === undefined ? {} : { finished }),
    files: request.files.map((file) => fileOf(file, token, o)),
  }
}

function fileOf(file: KnownFile, token: string, o: AnswerOptions): RequestedFile {
  const { surl, state, code, volume, pinnedUntil } = file
  return {
    ...{ surl, state },
    ...(code === undefined ? {} : { code }),
    ...(volume === undefined ? {} : { bytes: volume.bytes }),
    ...(state === 'READY' && file.request.kind === 'get' ? { turl: turlOf(file, token, o) } : {}),
    ...(state === 'READY' && pinnedUntil !== undefined ? { pinnedUntil } : {}),
    ...(isWaiting(state) ? { waitSeconds: waitSeconds(file.request, o.now) } : {}),
  }
}

function turlOf({ position, volume }: KnownFile, token: string, { turlKey, base }: AnswerOptions): string {
  return `${base}/turl/${turlToken(turlKey, token, position)}/${volume!.guid}`
}

/** A quarter of the time that it has taken so far: who asks then asks often at first, and seldom of what takes long. */
function waitSeconds({ created }: KnownRequest, now: Date): number {
  return Math.min(60, Math.max(1, Math.ceil((now.getTime() - created.getTime()) / 4_000)))
}
