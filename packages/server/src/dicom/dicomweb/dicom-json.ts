import { z } from 'zod'
import type { Purpose } from '../source.ts'
import type { WebClient } from './client.ts'
import type { Fault } from './faults.ts'

/** Of one page; a record of a series is about 1.5 KB. */
const MAX_PAGE_BYTES = 16 << 20

const Attribute = z.object({ Value: z.array(z.unknown()).optional() }).optional()

/** What we read of a record; the rest is dropped (DICOM PS3.18 annex F). */
const Row = z.object({
  '00080018': Attribute,
  '00080020': Attribute,
  '00080060': Attribute,
  '00100020': Attribute,
  '0020000D': Attribute,
  '0020000E': Attribute,
  '00201209': Attribute,
})
export type Row = z.output<typeof Row>
const Page = z.array(Row)

/** Who asks, and how. */
export interface Asker {
  client: WebClient
  fault: Fault
  purpose: Purpose
  signal?: AbortSignal | undefined
}

/**
 * One page of records.
 *
 * @throws MDM_SOURCE_UNREACHABLE also where the server has no such resource: the root is wrong, and nothing must be taken for gone
 */
export async function searchPage(path: string, { client, fault, purpose, signal }: Asker): Promise<Row[]> {
  const reply = await client.get(path, { accept: 'application/dicom+json', purpose, signal })
  if (reply === 204) return []
  if (typeof reply === 'number') throw fault('has no DICOMweb search below the root of the URL')
  if (!/^application\/(?:dicom\+)?json\s*(?:;|$)/i.test(reply.contentType)) {
    reply.discard()
    throw fault('does not answer a search in DICOM JSON')
  }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of reply.body) {
    bytes += chunk.length
    if (bytes > MAX_PAGE_BYTES) throw fault('answers a search with more than it was asked for')
    chunks.push(chunk)
  }
  const page = Page.safeParse(parseJson(Buffer.concat(chunks).toString('utf8')))
  if (!page.success) throw fault('answers a search with what is not DICOM JSON')
  return page.data
}

/** The first value as text, without the padding of DICOM; empty where there is none. */
export function text(row: Row, tag: keyof Row): string {
  const value = row[tag]?.Value?.[0]
  return typeof value === 'string' || typeof value === 'number' ? String(value).replace(/[\0 ]+$/, '') : ''
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
