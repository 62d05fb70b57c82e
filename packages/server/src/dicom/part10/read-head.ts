import dicomParser, { type Element } from 'dicom-parser'
import { IMPLICIT, spanAt, tagAt, UNDEFINED_LENGTH, type Encoded } from './encoding.ts'
import { passItems } from './skip.ts'
import { atOnce, type Steps } from './steps.ts'

/** What stands before the value of an element, and where the value begins; nothing is known yet about its end. */
export type ElementHead = Pick<Element, 'tag' | 'vr' | 'dataOffset' | 'length'>

/** VRs of 64-bit numbers: the parser takes their length to be short (DICOM PS3.5 table 7.1-1). */
const UNKNOWN_TO_PARSER = new Set(['OV', 'SV', 'UV'])

/**
 * The head of the element at an offset, by the parser, which stops before the value of a tag that it is told: else it
 * would build all that a sequence holds, or search for the end of it.
 *
 * @returns undefined when it is cut short; what the parser says then may hold values and goes nowhere
 */
export function readHead(data: Encoded, at: number): ElementHead | undefined {
  const { bytes, explicit, bigEndian } = data
  const numbers = bigEndian ? dicomParser.bigEndianByteArrayParser : dicomParser.littleEndianByteArrayParser
  try {
    const stream = new dicomParser.ByteStream(numbers, bytes, at)
    const until = nameAt(bytes, at, bigEndian)
    const head = explicit
      ? dicomParser.readDicomElementExplicit(stream, [], until)
      : dicomParser.readDicomElementImplicit(stream, until)
    if (head.vr === undefined || !UNKNOWN_TO_PARSER.has(head.vr)) return head
    const span = spanAt(bytes, at, data)
    return span && { ...head, ...span }
  } catch {
    return undefined
  }
}

/**
 * Where the value of an element ends.
 *
 * @returns undefined when that is not within the bytes there are
 */
export function* passValue(
  data: Encoded,
  { vr, dataOffset, length }: ElementHead,
): Steps<number | undefined> {
  const items = vr === 'UN' ? IMPLICIT : data
  const end =
    length === UNDEFINED_LENGTH ? yield* passItems(data.bytes, dataOffset, items) : dataOffset + length
  return end === undefined || end > data.bytes.length ? undefined : end
}

/** Like passValue(), in one go. */
export function endOf(data: Encoded, head: ElementHead): number | undefined {
  return atOnce(passValue(data, head))
}

/** A tag as the parser writes it. */
function nameAt(bytes: Buffer, at: number, bigEndian: boolean): string {
  return `x${tagAt(bytes, at, bigEndian).toString(16).padStart(8, '0')}`
}
