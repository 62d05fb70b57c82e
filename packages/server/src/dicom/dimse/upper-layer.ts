import { abortError, dimseError } from './faults.ts'
import {
  decodePduHeader,
  encodeDataHeader,
  PDU,
  PDU_HEADER_BYTES,
  PDV_HEADER_BYTES,
  RELEASE_RP,
  RELEASE_RQ,
  type FragmentKind,
} from './pdu.ts'
import type { Transport } from './transport.ts'

/** A PDU of association control, read whole. */
export interface ControlPdu {
  type: number
  body: Buffer
}

/** The head of a presentation data value; its bytes are read by `piece`. */
export interface Fragment extends FragmentKind {
  contextId: number
}

/**
 * The DICOM upper layer (PS3.8 section 9) on a connected transport: PDUs in and out. Data is handed on as it comes; a
 * PDU is never gathered, so a longer one costs no memory.
 */
export class UpperLayer {
  readonly transport: Transport
  readonly #maxPdu: number
  #pduLeft = 0
  #fragmentLeft = 0

  /** @param maxPdu longest P-DATA-TF that we announce, bytes after its header */
  constructor(transport: Transport, maxPdu: number) {
    this.transport = transport
    this.#maxPdu = maxPdu
  }

  /**
   * The next PDU of association control.
   * @throws MDM_SOURCE_UNREACHABLE also for an A-ABORT | MDM_SOURCE_PROTOCOL also for P-DATA, unless it is to be skipped
   */
  async receiveControl({ skipsData = false } = {}): Promise<ControlPdu> {
    for (;;) {
      await this.#skip(this.#fragmentLeft + this.#pduLeft)
      this.#fragmentLeft = this.#pduLeft = 0
      const { type, length } = decodePduHeader(await this.transport.read(PDU_HEADER_BYTES), this.#maxPdu)
      if (type === PDU.data && skipsData) this.#pduLeft = length
      else if (type === PDU.data) throw dimseError('protocol', 'P-DATA-TF before the association')
      else return this.#control(type, await this.transport.read(length))
    }
  }

  /** The head of the next fragment, past what was not read of this one. @returns undefined when the peer asks to release */
  async nextFragment(): Promise<Fragment | undefined> {
    await this.#skip(this.#fragmentLeft)
    this.#fragmentLeft = 0
    if (this.#pduLeft === 0) {
      const { type, length } = decodePduHeader(await this.transport.read(PDU_HEADER_BYTES), this.#maxPdu)
      if (type !== PDU.data) {
        const control = this.#control(type, await this.transport.read(length))
        if (control.type === PDU.releaseRq) return undefined
        throw dimseError('protocol', 'unexpected PDU within an association')
      }
      this.#pduLeft = length
    }
    if (this.#pduLeft < PDV_HEADER_BYTES)
      throw dimseError('protocol', 'a presentation data value is cut short')
    const head = await this.transport.read(PDV_HEADER_BYTES)
    const length = head.readUInt32BE(0)
    if (length < 2 || length + 4 > this.#pduLeft)
      throw dimseError('protocol', 'a presentation data value is longer than its PDU')
    this.#pduLeft -= length + 4
    this.#fragmentLeft = length - 2
    return { contextId: head[4]!, isCommand: (head[5]! & 1) !== 0, isLast: (head[5]! & 2) !== 0 }
  }

  /** More of the current fragment as it came; undefined at its end. */
  async piece(): Promise<Buffer | undefined> {
    if (this.#fragmentLeft === 0) return undefined
    const bytes = await this.transport.readSome(this.#fragmentLeft)
    this.#fragmentLeft -= bytes.length
    return bytes
  }

  /** Asks for release, and waits for the answer; data on its way is thrown away (PS3.8 7.2). */
  async release(): Promise<void> {
    await this.transport.write([RELEASE_RQ])
    for (;;) {
      const { type } = await this.receiveControl({ skipsData: true })
      if (type === PDU.releaseRp) return
      // both asked at once: each answers the other
      if (type === PDU.releaseRq) await this.transport.write([RELEASE_RP])
    }
  }

  async #skip(bytes: number): Promise<void> {
    for (let left = bytes; left > 0;) left -= (await this.transport.readSome(left)).length
  }

  #control(type: number, body: Buffer): ControlPdu {
    if (type === PDU.abort) throw abortError(body[2]!, body[3]!)
    return { type, body }
  }
}

/** One fragment as the parts of a P-DATA-TF of its own. */
export function dataPdu(contextId: number, kind: FragmentKind, parts: readonly Uint8Array[]): Uint8Array[] {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0)
  return [encodeDataHeader(contextId, kind, bytes), ...parts]
}
