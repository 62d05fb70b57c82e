import type { KeyObject } from 'node:crypto'
import type { Sha256 } from '@mdm/core/names'
import type { InstanceHeader, SeriesRef } from '../dicom/source.ts'
import type { SiteQueries } from '../store/site-store.ts'
import { burnedInRisk } from '../volume/burned-in.ts'
import { unreadable } from '../volume/judge.ts'
import { refusalDigest } from './fingerprints.ts'

/** The objects of a series that one rule holds for a person. */
export interface Hold {
  /** the rule, in words */
  readonly reason: string
  readonly sops: ReadonlySet<string>
  /** names these very objects and the series as it is; a release counts for nothing else */
  readonly digest: Sha256
}

/** What a person who looks at an object sees of it, so far as its header says. */
const LOOKED_AT = [
  ...(['sop', 'sopClass', 'transferSyntax', 'modality', 'imageType', 'rows', 'columns', 'frames'] as const),
  ...(['samplesPerPixel', 'photometric', 'bitsAllocated', 'bitsStored', 'highBit'] as const),
  ...(['pixelRepresentation', 'slope', 'intercept'] as const),
] satisfies (keyof InstanceHeader)[]

/** What is held of a series, whether it was released or not, by rule. */
export function holdsOf(
  key: KeyObject,
  of: { source: string; series: SeriesRef },
  headers: readonly InstanceHeader[],
): Hold[] {
  const held = headers.flatMap((header) => {
    const risk = unreadable(header) === undefined ? burnedInRisk(header) : undefined
    return risk === undefined ? [] : [{ header, reason: risk.reason }]
  })
  const sops = headers.map((header) => header.sop)
  return [...Map.groupBy(held, ({ reason }) => reason)].map(([reason, objects]) => ({
    reason,
    sops: new Set(objects.map(({ header }) => header.sop)),
    digest: refusalDigest(key, {
      ...{ ...of, code: 'MDM_PRIVACY_HELD', reason },
      sops: [...sops, ...objects.map(({ header }) => lookedAt(header))],
    }),
  }))
}

/** Those of the holds that a person released, in their very form. */
export async function releasedHolds(db: SiteQueries, holds: readonly Hold[]): Promise<Hold[]> {
  if (holds.length === 0) return []
  const rows = await db
    .selectFrom('quarantine')
    .select('digest')
    .where('released', 'is not', null)
    .where(
      'digest',
      'in',
      holds.map(({ digest }) => digest),
    )
    .execute()
  const released = new Set(rows.map(({ digest }) => digest))
  return holds.filter(({ digest }) => released.has(digest))
}

function lookedAt(header: InstanceHeader): string {
  const { BurnedInAnnotation: said = null, ConversionType: conversion = null } = header.text
  return JSON.stringify([
    ...LOOKED_AT.map((name) => header[name] ?? null),
    ...[header.pixelData?.length ?? null, said, conversion],
  ])
}
