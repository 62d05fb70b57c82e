import type { KeyObject } from 'node:crypto'
import { algorithmOf, der, extension, signed, time } from '../certificates.ts'
import { caName } from '../roster-samples.ts'

/** An extension: OID, criticality, DER of the value. */
export type Extension = readonly [oid: string, critical: boolean, value: Buffer]

export interface CrlOptions {
  signer: KeyObject
  issuer?: Buffer
  /** version field; 1 is version 2, undefined leaves it out */
  version?: number | undefined
  thisUpdate?: Date
  /** null leaves it out */
  nextUpdate?: Date | null
  /** serial numbers, hex; null leaves the field out */
  revoked?: readonly string[] | null
  entryExtensions?: readonly Extension[]
  number?: number
  extensions?: readonly Extension[]
  hash?: string
}

export const CRL_NUMBER = '2.5.29.20'

/** A revocation list in DER, written by hand so that it can be one that no tool would make. */
export function crl(o: CrlOptions): Buffer {
  const { signer, revoked = [] } = o
  const date = time(new Date('2026-02-01T00:00:00Z'))
  const entryExtensions = o.entryExtensions ?? []
  const entries = (revoked ?? []).map((serial) =>
    der(
      0x30,
      der(0x02, Buffer.from(serial, 'hex')),
      date,
      entryExtensions.length === 0 ? '' : der(0x30, ...entryExtensions.map(extension)),
    ),
  )
  const number: Extension[] =
    o.number === undefined ? [] : [[CRL_NUMBER, false, der(0x02, Buffer.from([o.number]))]]
  const extensions = [...number, ...(o.extensions ?? [])]
  const version = 'version' in o ? o.version : 1
  const tbs = der(
    0x30,
    version === undefined ? '' : der(0x02, Buffer.from([version])),
    algorithmOf(signer, o.hash ?? 'sha256'),
    o.issuer ?? caName,
    time(o.thisUpdate ?? new Date('2026-03-01T00:00:00Z')),
    o.nextUpdate === null ? '' : time(o.nextUpdate ?? new Date('2026-04-01T00:00:00Z')),
    revoked === null || entries.length === 0 ? '' : der(0x30, ...entries),
    extensions.length === 0 ? '' : der(0xa0, der(0x30, ...extensions.map(extension))),
  )
  return signed(tbs, signer, o.hash)
}
