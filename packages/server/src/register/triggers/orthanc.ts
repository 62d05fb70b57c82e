import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { MdmError } from '@mdm/core/errors'
import type { SeriesRef } from '../../dicom/source.ts'
import { z } from 'zod'

/** Longest answer taken, bytes: a series of 100,000 instances names them in 5 MB. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024
/** How long Orthanc may be silent, ms. */
const SILENT_MS = 10_000
/** Changes asked for at once. */
const PAGE = 1_000

const Id = z.string().regex(/^[0-9a-f]{8}(?:-[0-9a-f]{8}){4}$/)
const Uid = z.string().regex(/^[\x21-\x7e]{1,128}$/)

const Changes = z.object({
  Changes: z.array(z.object({ ChangeType: z.string(), ID: z.string(), ResourceType: z.string() })).max(PAGE),
  Done: z.boolean(),
  Last: z.int().min(0),
})
export type Changes = z.output<typeof Changes>

const Series = z.object({
  ID: Id,
  Instances: z.array(Id),
  MainDicomTags: z.object({ SeriesInstanceUID: Uid }),
})
const Study = z.object({ MainDicomTags: z.object({ StudyInstanceUID: Uid }) })

/** Where Orthanc's REST is, and how it is asked. */
export interface OrthancPeer {
  /** `https://host:port/root`; http where the host is this machine */
  readonly url: string
  readonly credentials?: { readonly user: string; readonly password: string } | undefined
  readonly tls?:
    | {
        readonly ca: string | Buffer
        readonly cert?: string | Buffer
        readonly key?: string | Buffer
        readonly servername?: string
      }
    | undefined
}

/** A series as Orthanc knows it; instances by Orthanc's own ids. */
export interface OrthancSeries {
  readonly id: string
  readonly ref: SeriesRef
  readonly instances: readonly string[]
}

/** The few things that we ask Orthanc's REST. */
export interface Orthanc {
  /**
   * What changed after a number; `Last` below it says that the list began anew.
   * @throws MDM_SOURCE_UNREACHABLE, MDM_SOURCE_REFUSED
   */
  changes(since: number, signal: AbortSignal): Promise<Changes>
  /** A series by its id, or by that of one of its instances; undefined when it is gone. @throws MDM_SOURCE_UNREACHABLE */
  series(id: string, of: 'Series' | 'Instance', signal: AbortSignal): Promise<OrthancSeries | undefined>
}

export function orthanc(peer: OrthancPeer): Orthanc {
  const ask = async <S extends z.ZodType>(schema: S, path: string, signal: AbortSignal) => {
    const json = await getJson(peer, path, signal)
    if (json === undefined) return undefined
    const parsed = schema.safeParse(json)
    if (!parsed.success) throw unreachable('its answer is not one of Orthanc')
    return parsed.data
  }
  return {
    async changes(since, signal) {
      const found = await ask(Changes, `/changes?since=${since}&limit=${PAGE}`, signal)
      if (found === undefined) throw unreachable('it has no list of changes')
      return found
    },
    async series(id, of, signal) {
      if (!Id.safeParse(id).success) return undefined
      const path = of === 'Series' ? `/series/${id}` : `/instances/${id}/series`
      const series = await ask(Series, path, signal)
      const study = series && (await ask(Study, `/series/${series.ID}/study`, signal))
      if (series === undefined || study === undefined) return undefined
      const ref = {
        study: study.MainDicomTags.StudyInstanceUID,
        series: series.MainDicomTags.SeriesInstanceUID,
      }
      return { id: series.ID, ref, instances: series.Instances }
    },
  }
}

/** @returns undefined for 404 */
async function getJson(peer: OrthancPeer, path: string, signal: AbortSignal): Promise<unknown> {
  const { status, text } = await get(peer, path, signal)
  if (status === 404) return undefined
  if (status === 401 || status === 403)
    throw new MdmError('MDM_SOURCE_REFUSED', 'the list of changes is not given to this site')
  if (status !== 200) throw unreachable(`it answered with status ${status}`)
  try {
    return JSON.parse(text)
  } catch {
    throw unreachable('its answer is not JSON')
  }
}

function get(
  { url, credentials, tls }: OrthancPeer,
  path: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const target = new URL(`${url.replace(/\/+$/, '')}${path}`)
  const request = target.protocol === 'https:' ? requestHttps : requestHttp
  const auth = credentials === undefined ? {} : { auth: `${credentials.user}:${credentials.password}` }
  const settings = { headers: { accept: 'application/json' }, timeout: SILENT_MS, signal, ...auth, ...tls }
  return new Promise((resolve, reject) => {
    const failed = (cause: unknown) =>
      reject(signal.aborted ? signal.reason : unreachable('it does not answer', cause))
    const asked = request(target, settings, (reply) => {
      const chunks: Buffer[] = []
      let bytes = 0
      reply.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > MAX_REPLY_BYTES) asked.destroy(new Error('too long'))
        else chunks.push(chunk)
      })
      reply.on('error', failed)
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      )
    })
    asked.on('timeout', () => asked.destroy(new Error('silent')))
    asked.on('error', failed)
    asked.end()
  })
}

function unreachable(what: string, cause?: unknown): MdmError {
  return new MdmError('MDM_SOURCE_UNREACHABLE', `the list of changes cannot be read: ${what}`, { cause })
}
