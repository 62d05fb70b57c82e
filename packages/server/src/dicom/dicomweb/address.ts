import { isIP } from 'node:net'
import { MdmError } from '@mdm/core/errors'

/**
 * The root of a DICOMweb service, from `dicomweb+https://host/root`. Without TLS (`dicomweb+http://`) only a loopback
 * address will do, written as a number, so that no name server decides where images and passwords come and go in clear.
 *
 * @returns an http: or https: URL without a slash at its end
 * @throws MDM_CONFIG
 */
export function dicomwebRoot(name: string, url: string): URL {
  const web = url.replace(/^dicomweb\+(?=https?:)/i, '')
  const root = web !== url && URL.canParse(web) ? new URL(web) : undefined
  const wrong = (why: string): MdmError => new MdmError('MDM_CONFIG', `source ${name}: ${why}`)
  if (root === undefined) throw wrong('the URL is not dicomweb+https://host/root')
  if (root.username !== '' || root.password !== '')
    throw wrong('a user belongs into the file that "credentials" names, not into the URL')
  if (root.search !== '' || root.hash !== '') throw wrong('the URL has more than host, port and path')
  if (root.protocol === 'http:' && !isLoopback(root.hostname))
    throw wrong('dicomweb+http: is for loopback addresses (127.0.0.1) only; use dicomweb+https:')
  root.pathname = root.pathname.replace(/\/+$/, '')
  return root
}

function isLoopback(host: string): boolean {
  return host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'))
}
