import { dimseError } from './faults.ts'

/** Types of protocol data units (PS3.8 9.3.1). */
export const PDU = {
  associateRq: 0x01,
  associateAc: 0x02,
  associateRj: 0x03,
  data: 0x04,
  releaseRq: 0x05,
  releaseRp: 0x06,
  abort: 0x07,
} as const

export const PDU_HEADER_BYTES = 6
/** An item of a P-DATA-TF before its fragment: length, context, control (PS3.8 9.3.5.1, annex E.2). */
export const PDV_HEADER_BYTES = 6
/** 128 contexts of 30 transfer syntaxes fit twice; read as it arrives, never reserved. */
const MAX_ASSOCIATE_BYTES = 256 << 10

export interface PduHeader {
  type: number
  /** bytes after the header */
  length: number
}

/**
 * The first 6 bytes of a PDU, held to what its type may be.
 *
 * @param maxPdu longest P-DATA-TF that we announced
 * @throws MDM_SOURCE_PROTOCOL
 */
export function decodePduHeader(bytes: Buffer, maxPdu: number): PduHeader {
  const header = { type: bytes[0]!, length: bytes.readUInt32BE(2) }
  if (header.type === 0 || header.type > PDU.abort) throw dimseError('protocol', 'unrecognized PDU type')
  if (header.type === PDU.data) {
    if (header.length < PDV_HEADER_BYTES || header.length > maxPdu)
      throw dimseError('protocol', 'P-DATA-TF of a length that was not agreed')
  } else if (header.type === PDU.associateRq || header.type === PDU.associateAc) {
    if (header.length < 68 || header.length > MAX_ASSOCIATE_BYTES)
      throw dimseError('protocol', 'A-ASSOCIATE of an unbelievable length')
  } else if (header.length !== 4) throw dimseError('protocol', 'PDU of a wrong length')
  return header
}

export function encodePdu(type: number, body: Uint8Array): Buffer {
  const pdu = Buffer.alloc(PDU_HEADER_BYTES + body.length)
  pdu[0] = type
  pdu.writeUInt32BE(body.length, 2)
  pdu.set(body, PDU_HEADER_BYTES)
  return pdu
}

/** What goes before a fragment that fills a P-DATA-TF alone (PS3.8 9.3.5, annex E.2). */
export function encodeDataHeader(contextId: number, kind: FragmentKind, fragmentBytes: number): Buffer {
  const header = Buffer.alloc(PDU_HEADER_BYTES + PDV_HEADER_BYTES)
  header[0] = PDU.data
  header.writeUInt32BE(fragmentBytes + PDV_HEADER_BYTES, 2)
  header.writeUInt32BE(fragmentBytes + 2, 6)
  header[10] = contextId
  header[11] = (kind.isCommand ? 1 : 0) | (kind.isLast ? 2 : 0)
  return header
}

export interface FragmentKind {
  isCommand: boolean
  isLast: boolean
}

/** A-ASSOCIATE-RJ: result 1 permanent or 2 transient, source and reason (PS3.8 9.3.4). */
export function encodeReject(result: number, source: number, reason: number): Buffer {
  return encodePdu(PDU.associateRj, Uint8Array.of(0, result, source, reason))
}

/** A-ABORT: source 0 the user of the service or 2 its provider, and reason (PS3.8 9.3.8). */
export function encodeAbort(source: number, reason: number): Buffer {
  return encodePdu(PDU.abort, Uint8Array.of(0, 0, source, reason))
}

export const RELEASE_RQ = encodePdu(PDU.releaseRq, Buffer.alloc(4))
export const RELEASE_RP = encodePdu(PDU.releaseRp, Buffer.alloc(4))
