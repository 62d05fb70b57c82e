import { MdmError } from '@mdm/core/errors'

/** What may pass by itself, and what stays until somebody mends names, certificates or rights. */
type Code = 'MDM_SOURCE_UNREACHABLE' | 'MDM_SOURCE_REFUSED'

/** Makes the error of one source: what its server does, in words; never a UID, address or text of the server. */
export type Fault = (what: string, cause?: unknown, code?: Code) => MdmError

export function faultsOf(name: string): Fault {
  return (what, cause, code = 'MDM_SOURCE_UNREACHABLE') =>
    new MdmError(code, `source ${name}: the DICOMweb server ${what}`, { cause })
}

const CERTIFICATE =
  /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA)/

/** Why there is no answer, in words, by the code of Node's error. */
export function networkFault(fault: Fault, error: unknown): MdmError {
  if (error instanceof MdmError) return error
  const code = String((error as NodeJS.ErrnoException | undefined)?.code ?? '')
  return fault(reasonOf(code), error, isRefusal(code) ? 'MDM_SOURCE_REFUSED' : undefined)
}

/** Ours or theirs, a certificate is not what the other side knows. */
function isRefusal(code: string): boolean {
  return CERTIFICATE.test(code) || /^ERR_SSL_.*ALERT/.test(code)
}

function reasonOf(code: string): string {
  if (code === 'ECONNREFUSED') return 'does not accept connections'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'is not known by its name'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'shows a certificate with another name'
  if (CERTIFICATE.test(code))
    return 'shows a certificate that "ca" does not vouch for, or that is not valid now'
  if (/^ERR_SSL_.*ALERT/.test(code)) return 'refuses our certificate, or how TLS is spoken'
  if (/^ERR_SSL_|^EPROTO/.test(code)) return 'does not speak TLS as we do'
  if (code.startsWith('HPE_')) return 'does not answer in HTTP'
  return 'ended the connection too early'
}

/** Why a status is no answer to use; what the server says in its body may hold patient data and is not read. */
export function statusFault(fault: Fault, status: number): MdmError {
  const refused = status === 401 || status === 403
  return fault(
    `${meaningOf(status)} (status ${status})`,
    undefined,
    refused ? 'MDM_SOURCE_REFUSED' : undefined,
  )
}

function meaningOf(status: number): string {
  if (status === 401 || status === 403) return 'does not accept our credentials or certificate'
  if (status === 404) return 'has no such service below the root of the URL'
  if (status === 406 || status === 415) return 'does not give objects as they are stored'
  if (status === 408 || status === 429 || status === 503 || status === 504) return 'is too busy'
  if (status >= 300 && status < 400) return 'points somewhere else, where we do not follow'
  return status >= 500 ? 'has a fault of its own' : 'does not understand the request'
}
