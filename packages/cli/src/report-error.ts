import { ERRORS, MdmError } from '@mdm/core/errors'
import { interruption, type Interrupted } from './interrupt.ts'

/** What a user or a script is told about a failure; the shape of `error` under --json. */
export interface ErrorNote {
  readonly code: string
  readonly message: string
  readonly next: string
  /** of the answer that told it, for the operator of `server` */
  readonly requestId?: string
  /** who told it: "the site", "key server 0a1b2c3d4e5f" */
  readonly server?: string
}

/** An error as the command line shows it; without a note nothing is printed. */
export interface ErrorReport {
  readonly exitCode: number
  readonly note?: ErrorNote
}

/** Turns whatever was thrown into a note and an exit code: the one place that decides both. */
export function reportOf(error: unknown): ErrorReport {
  if (interruption.aborted) return { exitCode: (interruption.reason as Interrupted).exitCode }
  if (error instanceof MdmError) return { exitCode: error.exitCode, note: noteOf(error) }
  if (!(error instanceof Error)) return reportOf(new Error(String(error)))
  const { oclif, code, syscall } = error as Error & {
    oclif?: { exit?: number }
    code?: string
    syscall?: string
  }
  if (code === 'EPIPE') return { exitCode: BROKEN_PIPE }
  if (code === 'EEXIT') return { exitCode: oclif?.exit ?? 0 }
  if (oclif !== undefined) return reportOf(new MdmError('MDM_USAGE', usageText(error.message)))
  if (code !== undefined && syscall !== undefined && FILE_FAULTS.has(code)) {
    return reportOf(new MdmError('MDM_FILE', `${ERRORS.MDM_FILE.what} (${code})`))
  }
  return {
    exitCode: 1,
    note: { code: 'MDM_INTERNAL', message: error.message, next: ERRORS.MDM_INTERNAL.next },
  }
}

/** Code, message and next step of one of our errors. */
export function noteOf(error: MdmError): ErrorNote {
  const { requestId, server } = error.details
  return {
    code: error.code,
    message: error.code === 'MDM_USAGE' ? usageText(error.message) : error.message,
    next: error.next,
    ...(isPlain(requestId) ? { requestId } : {}),
    ...(isPlain(requestId) && isPlain(server) ? { server } : {}),
  }
}

/** Three lines for a person: what failed, its code, what to do; a fourth where a server told it. */
export function formatNote({ message, code, next, requestId, server }: ErrorNote): string {
  const at = server === undefined ? '' : ` at ${server}`
  const request = requestId === undefined ? '' : ` request: ${requestId}${at}\n`
  return `error: ${message}\n code: ${code}\n next: ${next}\n${request}`
}

/** A text that came over the wire and cannot write over a terminal. */
function isPlain(text: unknown): text is string {
  return typeof text === 'string' && /^[\w -]{1,64}$/.test(text)
}

/** What a shell reports for a program that wrote to a closed pipe: 128 + SIGPIPE. */
export const BROKEN_PIPE = 141

const FILE_FAULTS = new Set([
  'ENOENT',
  'EACCES',
  'EPERM',
  'ENOSPC',
  'EDQUOT',
  'EISDIR',
  'ENOTDIR',
  'EROFS',
  'EEXIST',
  'EFBIG',
  'EIO',
])

/** oclif wraps every message in "Parsing --flag" and a help hint; code and next step say that already. */
function usageText(message: string): string {
  return message
    .replace(/^Parsing --\S+ \n\t/, '')
    .replace(/\s*See more help with --help\s*/g, '')
    .replace(/\s*\n\s*/g, ' ')
}
