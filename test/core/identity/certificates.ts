import {
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto'

/** DER written by hand, so that tests can make certificates no tool would. */
export function der(tag: number, ...content: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(content.map((part) => Buffer.from(part)))
  const size = Buffer.from(body.length.toString(16).padStart(body.length < 256 ? 2 : 4, '0'), 'hex')
  const length = body.length < 0x80 ? size : Buffer.concat([Buffer.from([0x80 | size.length]), size])
  return Buffer.concat([Buffer.from([tag]), length, body])
}

export function oid(text: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = text.split('.').map(BigInt)
  const octets = [first * 40n + second, ...rest].flatMap((arc) => {
    const low = [Number(arc & 0x7fn)]
    for (let high = arc >> 7n; high > 0n; high >>= 7n) low.unshift(0x80 | Number(high & 0x7fn))
    return low
  })
  return der(0x06, Buffer.from(octets))
}

export type StringType = 'utf8' | 'printable' | 'ia5' | 'bmp' | 'numeric' | 'teletex' | 'universal'

export function text(type: StringType, value: string): Buffer {
  const tag = {
    utf8: 0x0c,
    printable: 0x13,
    ia5: 0x16,
    bmp: 0x1e,
    numeric: 0x12,
    teletex: 0x14,
    universal: 0x1c,
  }[type]
  if (type === 'bmp') return der(tag, Buffer.from(value, 'utf16le').swap16())
  return der(tag, Buffer.from(value, type === 'utf8' ? 'utf8' : 'latin1'))
}

const OIDS: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  L: '2.5.4.7',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25',
  UID: '0.9.2342.19200300.100.1.1',
  emailAddress: '1.2.840.113549.1.9.1',
}

/** One attribute of a name: its type (short or OID), its value, how the value is written (UTF-8 unless told). */
export type Part = readonly [type: string, value: string | Buffer, as?: StringType]

/** A Name from the root down; each part holds one or several attributes. */
export function name(...rdns: (Part | Part[])[]): Buffer {
  const attribute = ([type, value, as = 'utf8']: Part) =>
    der(0x30, oid(OIDS[type] ?? type), typeof value === 'string' ? text(as, value) : value)
  const rdn = (parts: Part | Part[]) =>
    der(0x31, ...(Array.isArray(parts[0]) ? (parts as Part[]) : [parts as Part]).map(attribute))
  return der(0x30, ...rdns.map(rdn))
}

export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

export interface CertificateOptions {
  subject: Buffer
  issuer?: Buffer
  /** private key of the subject */
  key: KeyObject
  /** private key of the issuer; the subject's own unless told */
  signer?: KeyObject
  notBefore?: Date
  notAfter?: Date
  ca?: boolean
  eku?: string[]
  /** first octet of the key usage bits */
  keyUsage?: number
  hash?: 'sha256' | 'sha1' | 'md5'
  /** hex of the INTEGER; random unless told */
  serial?: string
  /** further extensions: OID, criticality, DER of the value */
  extensions?: (readonly [oid: string, critical: boolean, value: Buffer])[]
}

const ALGORITHMS: Readonly<Record<string, string>> = {
  'ed25519 sha256': '1.3.101.112',
  'ec sha256': '1.2.840.10045.4.3.2',
  'ec sha1': '1.2.840.10045.4.1',
  'rsa sha256': '1.2.840.113549.1.1.11',
  'rsa sha1': '1.2.840.113549.1.1.5',
  'rsa md5': '1.2.840.113549.1.1.4',
}

export function certificate(o: CertificateOptions): X509Certificate {
  const signer = o.signer ?? o.key
  const hash = o.hash ?? 'sha256'
  const algorithm = algorithmOf(signer, hash)
  const extensions = [...(o.extensions ?? [])]
  if (o.ca !== undefined)
    extensions.push(['2.5.29.19', true, der(0x30, o.ca ? der(0x01, Buffer.from([0xff])) : '')])
  if (o.eku !== undefined) extensions.push(['2.5.29.37', false, der(0x30, ...o.eku.map(oid))])
  if (o.keyUsage !== undefined) extensions.push(['2.5.29.15', true, der(0x03, Buffer.from([0, o.keyUsage]))])
  const tbs = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(
      0x02,
      o.serial === undefined
        ? Buffer.concat([Buffer.from([0x40]), randomBytes(8)])
        : Buffer.from(o.serial, 'hex'),
    ),
    algorithm,
    o.issuer ?? o.subject,
    der(
      0x30,
      time(o.notBefore ?? new Date('2026-01-01T00:00:00Z')),
      time(o.notAfter ?? new Date('2036-01-01T00:00:00Z')),
    ),
    o.subject,
    createPublicKey(o.key).export({ type: 'spki', format: 'der' }),
    extensions.length === 0 ? '' : der(0xa3, der(0x30, ...extensions.map(extension))),
  )
  return new X509Certificate(signed(tbs, signer, hash))
}

export function algorithmOf(signer: KeyObject, hash: string): Buffer {
  const type = signer.asymmetricKeyType!
  return der(0x30, oid(ALGORITHMS[`${type} ${hash}`]!), type === 'rsa' ? der(0x05) : '')
}

/** What is signed, the algorithm and the signature, as certificates and revocation lists have them. */
export function signed(tbs: Buffer, signer: KeyObject, hash = 'sha256'): Buffer {
  const signature = sign(signer.asymmetricKeyType === 'ed25519' ? null : hash, tbs, signer)
  return der(0x30, tbs, algorithmOf(signer, hash), der(0x03, Buffer.from([0]), signature))
}

export const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey
export const ec = (namedCurve = 'prime256v1'): KeyObject =>
  generateKeyPairSync('ec', { namedCurve }).privateKey
export const rsa = (modulusLength: number): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength }).privateKey

/** A self-signed service certificate and its key, PEM: quick to make, and with any dates. */
export function servicePair(dates: { notBefore?: Date; notAfter?: Date } = {}): {
  certificate: string
  key: string
} {
  const key = ed25519()
  const made = certificate({ subject: name(['CN', 'service']), key, ...dates })
  return { certificate: made.toString(), key: key.export({ type: 'pkcs8', format: 'pem' }) as string }
}

/** One extension: OID, criticality, DER of the value. */
export function extension([id, critical, value]: readonly [string, boolean, Buffer]): Buffer {
  return der(0x30, oid(id), critical ? der(0x01, Buffer.from([0xff])) : '', der(0x04, value))
}

export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(0, 14)
  return date.getUTCFullYear() < 2050 ? der(0x17, `${digits.slice(2)}Z`) : der(0x18, `${digits}Z`)
}
