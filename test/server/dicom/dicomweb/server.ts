import { readHeader } from '@mdm/server/dicom/part10/index'
import { createBudget, type Budget } from '@mdm/server/dicom/sources/budget'
import { dicomwebSource } from '@mdm/server/dicom/sources/dicomweb'
import type { ServerOptions } from '@mdm/server/dicom/sources/server-options'
import type { DicomSource, InstanceHeader } from '@mdm/server/dicom/source'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'

/** An object that the server has. */
export interface Stored {
  header: InstanceHeader
  file: Buffer
}

/** What a request asks for, by the path of its resource below the root. */
export interface Asked {
  kind: 'series' | 'instances' | 'wado'
  study?: string
  series?: string
  sop?: string
  query: URLSearchParams
}

/** Takes a request over, or returns false to leave it to the server. */
export type Script = (asked: Asked, reply: ServerResponse, request: IncomingMessage) => boolean

export interface ScriptedServer {
  /** root as a source names it */
  url: string
  /** "METHOD path" of every request so far */
  requests: string[]
  /** connections so far */
  connections(): number
  objects: Stored[]
  script: Script
}

export const BOUNDARY = 'a-boundary-of-this-test'
export const MULTIPART = `multipart/related; type="application/dicom"; boundary=${BOUNDARY}`

/** A DICOMweb server as small as it gets, whose answers a test can take over. */
export async function startServer(t: Test, objects: Stored[], tls?: TlsOptions): Promise<ScriptedServer> {
  let connections = 0
  const answer: RequestListener = (request, reply) => {
    for (const stream of [request, reply]) stream.on('error', () => {})
    served.requests.push(`${request.method} ${request.url}`)
    const asked = askedOf(request.url ?? '')
    if (asked === undefined) return void reply.writeHead(400).end()
    if (!served.script(asked, reply, request)) serve(served.objects, asked, reply)
  }
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer)
  const served: ScriptedServer = {
    ...{ url: '', requests: [], objects, script: () => false, connections: () => connections },
  }
  server.on('connection', (socket) => {
    connections++
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  served.url = `dicomweb+http${tls === undefined ? '' : 's'}://127.0.0.1:${port}/pacs/rs`
  return served
}

/** A source of such a server, with short times; `budget` must be empty again in the end. */
export function openSource(
  t: Test,
  { url }: { url: string },
  o: Partial<ServerOptions> & { inactivityMs?: number; connectMs?: number } = {},
): { source: DicomSource; budget: Budget } {
  const budget = o.budget ?? createBudget(4)
  const { inactivityMs = 5_000, connectMs = 5_000, ...rest } = o
  const timeouts = { connectMs, associationMs: 5_000, inactivityMs }
  const source = dicomwebSource('pacs', url, { timeouts, ...rest, budget })
  t.teardown(() => source.close())
  return { source, budget }
}

/** Every DICOM file below a folder. */
export function storedIn(folder: string): Stored[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.dcm'))
    .sort()
    .map((name) => readFileSync(join(folder, name)))
    .map((file) => ({ file, header: readHeader(file) }))
}

/** The body of a reply with these files. */
export function multipartOf(
  files: readonly Buffer[],
  o: { lengths?: boolean; boundary?: string } = {},
): Buffer {
  const boundary = o.boundary ?? BOUNDARY
  const head = (file: Buffer): string =>
    `--${boundary}\r\nContent-Type: application/dicom\r\n${o.lengths === false ? '' : `Content-Length: ${file.length}\r\n`}\r\n`
  return Buffer.concat([
    ...files.flatMap((file) => [Buffer.from(head(file), 'latin1'), file, Buffer.from('\r\n')]),
    Buffer.from(`--${boundary}--\r\n`),
  ])
}

/** Answers a search with records of DICOM JSON. */
export function answerJson(reply: ServerResponse, records: unknown): void {
  reply.writeHead(200, { 'content-type': 'application/dicom+json' }).end(JSON.stringify(records))
}

function askedOf(path: string): Asked | undefined {
  const { pathname, searchParams: query } = new URL(path, 'http://localhost')
  const match =
    /^\/pacs\/rs(?:\/studies\/([^/]+))?\/series(?:\/([^/]+)(?:\/instances(?:\/([^/]+))?)?)?$/.exec(pathname)
  if (match === null) return undefined
  const [study, series, sop] = match.slice(1).map((part) => part && decodeURIComponent(part))
  const kind = series === undefined ? 'series' : pathname.endsWith('/instances') ? 'instances' : 'wado'
  return { kind, query, ...(study && { study }), ...(series && { series }), ...(sop && { sop }) }
}

function serve(objects: readonly Stored[], asked: Asked, reply: ServerResponse): void {
  const of = objects.filter(
    ({ header }) =>
      (asked.study === undefined || header.study === asked.study) &&
      (asked.series === undefined || header.series === asked.series) &&
      (asked.sop === undefined || header.sop === asked.sop),
  )
  if (asked.kind === 'wado') {
    if (of.length === 0) return void reply.writeHead(404).end()
    return void reply
      .writeHead(200, { 'content-type': MULTIPART })
      .end(multipartOf(of.map(({ file }) => file)))
  }
  const offset = Number(asked.query.get('offset') ?? 0)
  const limit = Number(asked.query.get('limit') ?? 1e9)
  const records = asked.kind === 'series' ? seriesRecords(objects, asked.query) : of.map(instanceRecord)
  answerJson(reply, records.slice(offset, offset + limit))
}

function instanceRecord({ header }: Stored): unknown {
  return { '00080018': { vr: 'UI', Value: [header.sop] } }
}

function seriesRecords(objects: readonly Stored[], query: URLSearchParams): unknown[] {
  const groups = Map.groupBy(
    objects.filter(({ header }) => isMeant(header, query)),
    ({ header }) => header.series,
  )
  return [...groups.values()].map((group) => seriesRecord(group[0]!.header, group.length))
}

export function seriesRecord(header: InstanceHeader, objects: number | undefined): Record<string, unknown> {
  const { study, series, modality, text } = header
  return {
    '00080020': { vr: 'DA', Value: [text.StudyDate] },
    '00080060': { vr: 'CS', Value: [modality] },
    '00100020': { vr: 'LO', Value: [text.PatientID] },
    '0020000D': { vr: 'UI', Value: [study] },
    '0020000E': { vr: 'UI', Value: [series] },
    ...(objects !== undefined && { '00201209': { vr: 'IS', Value: [objects] } }),
  }
}

function isMeant({ study, series, modality, text }: InstanceHeader, query: URLSearchParams): boolean {
  const [from = '', to = ''] = (query.get('StudyDate') ?? '').split('-')
  const date = text.StudyDate ?? ''
  return (
    (query.get('StudyInstanceUID') ?? study) === study &&
    (query.get('SeriesInstanceUID') ?? series) === series &&
    (query.get('Modality') ?? modality) === modality &&
    (query.get('PatientID') ?? text.PatientID) === text.PatientID &&
    (from === '' || date >= from) &&
    (to === '' || date <= to)
  )
}
