import { MdmError } from '@mdm/core/errors'
import { MAX_HEADER_BYTES, readBareHeaderInTurns, readFileMeta, type FileMeta } from '../part10/index.ts'
import type { InstanceHeader, StoredObject } from '../source.ts'
import type { Ask, WebClient, WebReply } from './client.ts'
import type { Fault } from './faults.ts'
import { readParts } from './multipart.ts'
import { Peeked } from './peeked.ts'

/** As they are stored: without the star a server may transcode, and some cannot. */
export const AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'

const FIRST_READ = 4 * 1024
/** Preamble and meta information; only private meta information could be longer. */
const MAX_META_BYTES = 256 * 1024

/** An object as it comes; which one it is, only its data set can say. */
export type WadoObject = Pick<StoredObject, 'transferSyntax' | 'dataSet'>

/**
 * Asks for a series or an instance.
 *
 * @returns undefined when the server has no such thing
 * @throws MDM_SOURCE_UNREACHABLE
 * @see DICOM PS3.18 section 10.4 (WADO-RS)
 */
export async function askForObjects(
  client: WebClient,
  path: string,
  ask: Omit<Ask, 'accept'>,
): Promise<WebReply | undefined> {
  const reply = await client.get(path, { ...ask, accept: AS_STORED })
  return typeof reply === 'number' ? undefined : reply
}

/**
 * The objects of a reply, each read to its end or not at all before the next one. Parts that are no DICOM file are passed
 * over: who counts will miss them.
 *
 * @throws MDM_SOURCE_UNREACHABLE when the reply is of another kind, malformed or cut
 */
export async function* objectsOf(
  reply: WebReply,
  o: { fault: Fault; maxParts: number; signal?: AbortSignal | undefined },
): AsyncGenerator<WadoObject> {
  const boundary = boundaryOf(reply.contentType)
  if (boundary === undefined) {
    reply.discard()
    throw o.fault('does not send DICOM objects as multipart/related')
  }
  for await (const { headers, body } of readParts(reply.body, boundary, o)) {
    // Several parts may be there already, and reading them asks nobody.
    o.signal?.throwIfAborted()
    const encoding = `${headers.get('content-encoding') ?? ''} ${headers.get('content-transfer-encoding') ?? ''}`
    if (/base64|quoted|gzip|deflate|br/i.test(encoding)) throw o.fault('encodes its objects')
    if (!/^application\/dicom\s*(?:;|$)/i.test(headers.get('content-type') ?? 'application/dicom')) continue
    const object = await openFile(body)
    if (object !== undefined) yield object
  }
}

/** The boundary of multipart/related with type application/dicom; undefined for anything else (RFC 2387). */
function boundaryOf(contentType: string): string | undefined {
  const [kind = '', ...rest] = contentType.split(/;(?=(?:[^"]*"[^"]*")*[^"]*$)/)
  if (kind.trim().toLowerCase() !== 'multipart/related') return undefined
  const parameters = new Map<string, string>()
  for (const parameter of rest) {
    const [, name, quoted, token] =
      /^\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))\s*$/.exec(parameter) ?? []
    if (name !== undefined) parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token ?? '')
  }
  const type = parameters.get('type') ?? 'application/dicom'
  const boundary = parameters.get('boundary') ?? ''
  const proper = /^[\x20-\x7e]{0,199}[\x21-\x7e]$/.test(boundary)
  return proper && type.toLowerCase() === 'application/dicom' ? boundary : undefined
}

/** Takes the file meta information off; undefined when this is no DICOM file. */
async function openFile(body: AsyncIterable<Buffer>): Promise<WadoObject | undefined> {
  const file = new Peeked(body)
  for (let wanted = FIRST_READ; wanted <= MAX_META_BYTES; wanted *= 4) {
    const whole = await file.fill(wanted)
    const meta = tryMeta(file.start)
    // An element may go on, or the next one be of the meta information too.
    if (meta !== undefined && (whole || meta.end + 8 <= file.start.length))
      return { transferSyntax: meta.transferSyntax, dataSet: file.from(meta.end) }
    if (whole) return undefined
  }
  return undefined
}

function tryMeta(bytes: Buffer): FileMeta | undefined {
  try {
    return readFileMeta(bytes)
  } catch {
    return undefined
  }
}

/**
 * The same object, and what its own data set says of where it belongs.
 *
 * @returns undefined when it does not say
 */
export async function identify(
  object: WadoObject,
): Promise<{ header: InstanceHeader; object: StoredObject } | undefined> {
  const dataSet = new Peeked(object.dataSet)
  for (let wanted = FIRST_READ; ; wanted = Math.min(wanted * 4, MAX_HEADER_BYTES)) {
    const whole = await dataSet.fill(wanted)
    const header = await tryHeader(dataSet.start, object.transferSyntax, whole)
    if (header === undefined) return undefined
    if (header !== 'more') {
      const { sop, sopClass } = header
      const { transferSyntax } = object
      return { header, object: { sop, sopClass, transferSyntax, dataSet: dataSet.from(0) } }
    }
  }
}

async function tryHeader(
  bytes: Buffer,
  transferSyntax: string,
  whole: boolean,
): Promise<InstanceHeader | 'more' | undefined> {
  try {
    return await readBareHeaderInTurns(bytes, transferSyntax, whole ? bytes.length : Infinity)
  } catch (error) {
    if (error instanceof MdmError) return undefined
    throw error
  }
}
