import { readFile } from 'node:fs/promises'
import {
  associate,
  type Association,
  type DimsePeer,
  type SentObject,
} from '../../../../packages/server/src/dicom/dimse/index.ts'
import { readFileMeta, readHeader } from '../../../../packages/server/src/dicom/part10/index.ts'

const STORAGE = ['1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.4']
const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1'

/** Opens an association for CT and MR objects to a listener of this machine. */
export async function openPush(port: number, o: Partial<DimsePeer> = {}): Promise<Association> {
  const peer = { host: '127.0.0.1', port, calledAe: 'MDM', callingAe: 'PACS', ...o }
  return await associate(
    peer,
    STORAGE.map((abstractSyntax) => ({ abstractSyntax, transferSyntaxes: [EXPLICIT_LITTLE_ENDIAN] })),
  )
}

/** The object of a file, as it travels. */
export async function objectOf(file: string): Promise<SentObject> {
  const bytes = await readFile(file)
  const { sopClass, sop, transferSyntax } = readHeader(bytes)
  return { sopClass, sop, transferSyntax, chunks: [bytes.subarray(readFileMeta(bytes)!.end)] }
}

/** Stores files as a modality does, one association for all. @returns the status of each */
export async function push(
  port: number,
  files: readonly string[],
  o: Partial<DimsePeer> = {},
): Promise<number[]> {
  const association = await openPush(port, o)
  const statuses: number[] = []
  for (const file of files) statuses.push(await association.store(await objectOf(file)))
  await association.release()
  return statuses
}
