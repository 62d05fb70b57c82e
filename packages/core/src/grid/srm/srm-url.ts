import { MdmError } from '../../errors.ts'
import { Guid, Version } from '../../names.ts'

/** Ports of an SRM service whose URL names none, the likeliest first: of dCache, BeStMan and MDM; of DPM; of StoRM. */
const PORTS = [8443, 8446, 8444] as const
const DEFAULT_SERVICE = '/srm/managerv2'
/** What SURLs of old catalogs name: SRM v1, beside which v2.2 is served. */
const OLD_SERVICE = '/srm/managerv1'
const MAX_TEXT = 1024

const HOST = '(?<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]{2,45}\\])'
const AUTHORITY = `${HOST}(?::(?<port>[0-9]{1,5}))?`
/** Full, `srm://HOST:PORT/srm/managerv2?SFN=/PATH`, or short, `srm://HOST:PORT/PATH`. */
const SURL = new RegExp(`^srm://${AUTHORITY}(?<first>/[^?#\\s]*)(?:\\?SFN=(?<sfn>[^#\\s]+))?$`)
const ENDPOINT = new RegExp(`^(?:srm|httpg)://${AUTHORITY}(?<service>/[^?#\\s]*)?$`)

/** Where an SRM service listens. */
export interface SrmEndpoint {
  /** as a URL of https: httpg is that, behind one byte */
  readonly url: URL
  /** where else it may be, if no port was said */
  readonly others?: readonly URL[]
  /** srm://HOST:PORT/srm/managerv2, as a configuration keeps it */
  readonly text: string
}

/** A file of a storage element, and the service that knows it (SRM v2.2, section 1). */
export interface StorageFile {
  readonly endpoint: SrmEndpoint
  /** the SURL as it is sent to the service: as it was typed */
  readonly surl: string
  /** the site file name: a path from the root of the storage element */
  readonly sfn: string
  /** the volume that the path names, where it ends in a GUID: a container in it must be of that volume */
  readonly guid?: Guid
  readonly version?: Version
  /** true for a path of MDM itself, below which is nothing but containers */
  readonly isContainer: boolean
}

/** @throws MDM_USAGE when the text is not srm://HOST[:PORT][/PATH-OF-THE-SERVICE] */
export function parseEndpoint(text: string): SrmEndpoint {
  const { host, port, service } = (text.length <= MAX_TEXT ? ENDPOINT.exec(text)?.groups : undefined) ?? {}
  if (host === undefined)
    throw new MdmError('MDM_USAGE', 'an SRM service is written srm://HOST:PORT/srm/managerv2')
  return endpointAt(host, port, service === undefined || service === '/' ? DEFAULT_SERVICE : service)
}

/** @throws MDM_USAGE when the text is not a SURL, full or short */
export function parseSurl(text: string): StorageFile {
  const { host, port, first, sfn } = (text.length <= MAX_TEXT ? SURL.exec(text)?.groups : undefined) ?? {}
  if (host === undefined || first === undefined || (sfn === undefined && first === '/'))
    throw new MdmError(
      'MDM_USAGE',
      'a SURL is written srm://HOST:PORT/srm/managerv2?SFN=/PATH, or srm://HOST:PORT/PATH',
    )
  const endpoint = endpointAt(host, port, sfn === undefined ? DEFAULT_SERVICE : first)
  return fileAt(endpoint, text, sfn ?? first)
}

/** A volume in the name space of MDM at a service. */
export function volumeAt(endpoint: SrmEndpoint, guid: Guid, version?: Version): StorageFile {
  const sfn = `/mdm/${guid}${version === undefined ? '' : `@${version}`}`
  return fileAt(endpoint, `${endpoint.text}?SFN=${sfn}`, sfn)
}

function endpointAt(host: string, port: string | undefined, service: string): SrmEndpoint {
  const [first, ...others] = port === undefined ? PORTS : [Number(port)]
  if (first < 1 || first > 65_535) throw new MdmError('MDM_USAGE', 'a port lies between 1 and 65535')
  const path = service.replace(/^\/+/, '/')
  const at = (number: number) =>
    `${host.toLowerCase()}:${number}${path === OLD_SERVICE ? DEFAULT_SERVICE : path}`
  return {
    ...{ url: new URL(`https://${at(first)}`), text: `srm://${at(first)}` },
    ...(others.length === 0 ? {} : { others: others.map((number) => new URL(`https://${at(number)}`)) }),
  }
}

function fileAt(endpoint: SrmEndpoint, surl: string, sfn: string): StorageFile {
  const [, folder = '', name = '', number] =
    /^(.*)\/([0-9A-Fa-f-]{36})(?:@([1-9][0-9]{0,6}))?(?:\.mdm)?$/.exec(sfn) ?? []
  const guid = Guid.safeParse(name.toLowerCase())
  const version = Version.safeParse(Number(number))
  return {
    ...{ endpoint, surl, sfn },
    ...(guid.success ? { guid: guid.data } : {}),
    ...(guid.success && version.success ? { version: version.data } : {}),
    isContainer: guid.success && /^\/+mdm\/*$/.test(folder),
  }
}
