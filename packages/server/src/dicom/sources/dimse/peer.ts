import { MdmError } from '@mdm/core/errors'
import type { DimsePeer } from '../../dimse/index.ts'
import { AeTitle, type SourceConfig } from '../../source-config.ts'
import type { ServerOptions } from '../server-options.ts'

/** The port that IANA registered for DICOM; for DICOM over TLS. */
const PORTS: Readonly<Record<string, number>> = { 'dicom:': 104, 'dicoms:': 2762 }

/**
 * The application entity that `dicom://AET@host:port` or `dicoms://AET@host:port` names.
 *
 * @throws MDM_CONFIG; a server by TLS is none that we would trust on first use
 */
export function peerOf(
  { name, url, callingAe }: Pick<SourceConfig, 'name' | 'url' | 'callingAe'>,
  o: ServerOptions,
): DimsePeer {
  const wrong = (what: string) => new MdmError('MDM_CONFIG', `source ${name}: ${what}`)
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const port = PORTS[parsed?.protocol ?? '']
  if (parsed === undefined || port === undefined || parsed.hostname === '')
    throw wrong('"url" is not dicom://AET@host:port or dicoms://AET@host:port')
  if (parsed.password !== '' || !/^\/?$/.test(parsed.pathname) || parsed.search + parsed.hash !== '')
    throw wrong('"url" has more than AET@host:port; a password goes into the file of "credentials"')
  const calledAe = AeTitle.safeParse(decoded(parsed.username))
  if (!calledAe.success) throw wrong('"url" has no application entity title of 1 to 16 characters')
  if ((parsed.protocol === 'dicoms:') !== (o.tls !== undefined))
    throw wrong('"tls" goes with dicoms://, and the other way round')
  return {
    // An IPv6 address stands in brackets in a URL only.
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? port : Number(parsed.port),
    calledAe: calledAe.data,
    callingAe,
    timeouts: o.timeouts,
    ...(o.tls !== undefined && { tls: o.tls }),
    ...(o.credentials !== undefined && { userIdentity: o.credentials }),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
