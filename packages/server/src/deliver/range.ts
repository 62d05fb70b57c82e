import { MdmError } from '@mdm/core/errors'

/** Bytes of the container, end exclusive; `partial` says whether the answer is 206. */
export interface Span {
  readonly start: number
  readonly end: number
  readonly partial: boolean
}

/**
 * What part of a container a request asks for. One range only; several ranges, another unit or a malformed header are
 * answered whole, as is a Range whose If-Range names another message id.
 *
 * @param headers Range and If-Range as they came
 * @param etag message id of the preparation, without quotes
 * @param length of the container in bytes
 * @throws MDM_RANGE when the range lies outside; `details.length` is the length
 * @see RFC 9110 sections 13.1.5, 14.1.2, 14.2
 */
export function spanOf(
  headers: { range?: string | undefined; ifRange?: string | undefined },
  etag: string,
  length: number,
): Span {
  const whole: Span = { start: 0, end: length, partial: false }
  if (headers.range === undefined) return whole
  if (headers.ifRange !== undefined && headers.ifRange !== `"${etag}"`) return whole
  const match = /^bytes=(?:([0-9]{1,15})-([0-9]{1,15})?|-([0-9]{1,15}))$/.exec(headers.range.trim())
  if (match === null) return whole
  const [, first, last, suffix] = match
  if (suffix !== undefined) {
    if (Number(suffix) === 0) throw outside(length)
    return { start: Math.max(0, length - Number(suffix)), end: length, partial: true }
  }
  const start = Number(first)
  if (last !== undefined && Number(last) < start) return whole
  if (start >= length) throw outside(length)
  const end = last === undefined ? length : Math.min(Number(last) + 1, length)
  return { start, end, partial: true }
}

function outside(length: number): MdmError {
  return new MdmError('MDM_RANGE', `the container has ${length} bytes`, { details: { length } })
}
