import { createHash, createHmac, type KeyObject } from 'node:crypto'
import { Guid, type Sha256, type SiteId } from '@mdm/core/names'
import type { InstanceHeader, SeriesRef } from '../dicom/source.ts'
import type { VolumePlan } from '../volume/plan.ts'

/** Stands for the label of a series' only volume, which was called by its number before volumes had labels. */
const ONLY = 1

/**
 * Names a volume before it has a GUID, and makes registering it twice one registration (J1).
 *
 * @param of `label` as the plan says it; '' is the only volume of its series, whose key names the series as well
 */
export function volumeKey(key: KeyObject, of: SeriesRef & { site: SiteId; label: string }): Sha256 {
  const { site, study, series, label } = of
  return keyed(key, 'mdm-volume-v1', [site, study, series, label === '' ? ONLY : label])
}

/** Names a set of a series, as volumeKey() does a volume. */
export function setKey(key: KeyObject, of: SeriesRef & { site: SiteId; label: string }): Sha256 {
  return keyed(key, 'mdm-set-v1', [of.site, of.study, of.series, of.label])
}

/**
 * The GUID of a new set, made of its key: a site that was put back gives a set the GUID it had, though no key server has a note of it.
 * Without the site's key it tells no more than a random one.
 *
 * @see RFC 9562 section 5.8 (UUID version 8); decision 42
 */
export function setGuid(key: KeyObject, of: Sha256): Guid {
  const bytes = Buffer.from(keyed(key, 'mdm-set-guid-v1', [of]), 'hex').subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return Guid.parse(hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'))
}

/** Names what was refused, so that refusing it again is the same quarantine row. */
export function refusalDigest(
  key: KeyObject,
  of: { source: string; series: SeriesRef; code: string; reason: string; sops: readonly string[] },
): Sha256 {
  const { source, series, code, reason } = of
  return keyed(key, 'mdm-refusal-v1', [
    source,
    series.study,
    series.series,
    code,
    reason,
    ...of.sops.toSorted(),
  ])
}

/** Tells corrected or late slices from the ones that are registered; never leaves the site's database. */
export function contentDigest(plan: VolumePlan): Sha256 {
  return createHash('sha256').update(plan.header).update(JSON.stringify(plan.slices)).digest('hex')
}

export function sopsOf(headers: readonly InstanceHeader[]): string[] {
  return headers.map((header) => header.sop)
}

function keyed(key: KeyObject, purpose: string, parts: readonly (string | number)[]): Sha256 {
  return createHmac('sha256', key)
    .update(`${purpose}\n${JSON.stringify(parts)}`)
    .digest('hex')
}
