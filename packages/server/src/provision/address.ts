import { isIP } from 'node:net'
import { MdmError } from '@mdm/core/errors'
import type { Listen } from '../config.ts'

/** Where a server is for others: the host and port of its URL. */
export interface Address {
  /** DNS name or IP address, without brackets */
  readonly host: string
  readonly port: number
}

/**
 * Reads the URL of a server: https, a host and a port.
 *
 * @param option named in errors
 * @throws MDM_USAGE
 */
export function parseAddress(url: string, option = '--url'): Address {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const plain = parsed !== undefined && parsed.pathname === '/' && parsed.search + parsed.hash === ''
  if (
    !plain ||
    parsed.port === '0' ||
    parsed.protocol !== 'https:' ||
    parsed.username + parsed.password !== ''
  )
    throw new MdmError('MDM_USAGE', `${option} is not of the form https://host:port`)
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? 443 : Number(parsed.port),
  }
}

/** The URL of an address, as rosters and configurations write it. */
export function urlOf({ host, port }: Address): string {
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * Where a server listens: what was asked, else the address itself, or every interface where that is a name, since a machine's
 * own name often leads to its loopback.
 *
 * @param listen `host:port` or `[host]:port`
 * @throws MDM_USAGE
 */
export function listenOf(address: Address, listen: string | undefined): Listen {
  if (listen === undefined)
    return { host: isIP(address.host) === 0 ? '0.0.0.0' : address.host, port: address.port }
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})$/i.exec(listen) ?? []
  if (host === undefined || Number(port) > 65_535)
    throw new MdmError('MDM_USAGE', '--listen is not of the form host:port')
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}
