import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { DimseFault } from './types.ts'

/** What the caller can do about each fault; a retry helps where the code says so. */
const CODES: Readonly<Record<DimseFault, ErrorCode>> = {
  connect: 'MDM_SOURCE_UNREACHABLE',
  'connect-timeout': 'MDM_SOURCE_UNREACHABLE',
  'association-timeout': 'MDM_SOURCE_UNREACHABLE',
  aborted: 'MDM_SOURCE_UNREACHABLE',
  closed: 'MDM_SOURCE_UNREACHABLE',
  reset: 'MDM_SOURCE_UNREACHABLE',
  inactive: 'MDM_SOURCE_UNREACHABLE',
  tls: 'MDM_SOURCE_REFUSED',
  rejected: 'MDM_SOURCE_REFUSED',
  'no-context': 'MDM_SOURCE_REFUSED',
  protocol: 'MDM_SOURCE_PROTOCOL',
  status: 'MDM_SOURCE_INCOMPLETE',
}

/**
 * An error of the peer or the way to it.
 *
 * @param message says what happened in words of the standard; never a value, UID or title that the peer sent
 * @param o       `code` where the fault alone does not say what helps; `details` of numbers only
 */
export function dimseError(
  fault: DimseFault,
  message: string,
  o: { code?: ErrorCode; cause?: unknown; details?: Record<string, number | undefined> } = {},
): MdmError {
  return new MdmError(o.code ?? CODES[fault], message, {
    cause: o.cause,
    details: { dimse: fault, ...o.details },
  })
}

/** Source and reason of an A-ABORT in words (PS3.8 9.3.8). */
export function abortError(source: number, reason: number): MdmError {
  const reasons: Readonly<Record<number, string>> = {
    1: 'unrecognized PDU',
    2: 'unexpected PDU',
    4: 'unrecognized PDU parameter',
    5: 'unexpected PDU parameter',
    6: 'invalid PDU parameter value',
  }
  const why = source === 2 ? `, provider: ${reasons[reason] ?? 'no reason given'}` : ''
  return dimseError('aborted', `the peer aborted the association${why}`)
}

/** Source and reason of an A-ASSOCIATE-RJ in words; a transient one is worth a retry (PS3.8 9.3.4). */
export function rejectError(result: number, source: number, reason: number): MdmError {
  const reasons: Readonly<Record<string, string>> = {
    '1.2': 'application context name not supported',
    '1.3': 'calling AE title not recognized',
    '1.7': 'called AE title not recognized',
    '2.2': 'protocol version not supported',
    '3.1': 'temporary congestion',
    '3.2': 'local limit exceeded',
  }
  const why = reasons[`${source}.${reason}`] ?? 'no reason given'
  return dimseError('rejected', `the peer rejected the association: ${why}`, {
    details: { result, source, reason },
    ...(result === 2 && { code: 'MDM_SOURCE_UNREACHABLE' as const }),
  })
}

/** Meanings of the statuses that a caller can do something about (PS3.7 annex C, PS3.4 C.4). */
const REFUSALS: Readonly<Record<number, string>> = {
  0x0122: 'SOP class not supported',
  0x0124: 'not authorized',
  0x0211: 'operation not recognized',
  0x0212: 'mistyped argument',
  0xa801: 'move destination unknown',
  0xa900: 'identifier does not match the SOP class',
}

/**
 * The status that ended an operation without success.
 *
 * @param operation such as C-FIND
 * @param otherwise code where the status names no refusal
 */
export function statusError(
  operation: string,
  status: number,
  otherwise: ErrorCode,
  details: Record<string, number | undefined> = {},
): MdmError {
  const meaning = REFUSALS[status] ?? (status >>> 8 === 0xa7 ? 'out of resources' : 'failed')
  const code = REFUSALS[status] === undefined ? otherwise : 'MDM_SOURCE_REFUSED'
  const hex = status.toString(16).padStart(4, '0').toUpperCase()
  return dimseError('status', `${operation} ended with status ${hex}H: ${meaning}`, {
    code,
    details: { status, ...details },
  })
}

/** Success, or one of the warnings of C-STORE and of retrieving (PS3.7 annex C). */
export function isSuccessOrWarning(status: number): boolean {
  return status === 0 || status === 1 || status === 0x0107 || status === 0x0116 || status >>> 12 === 0xb
}
