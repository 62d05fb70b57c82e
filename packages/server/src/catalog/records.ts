import type { Guid, Kid, Lfn, Sha256, SiteId, Surl } from '@mdm/core/names'
import { Vec3, Volume } from '@mdm/core/volume/volume'
import type { Orientation } from '../dicom/source.ts'
import type { SlicesTable } from '../store/site-schema.ts'
import type { SliceRow } from '../volume/plan.ts'
import type { VolumeRecord } from './catalog.ts'

interface VolumeRow {
  readonly guid: Guid
  readonly version: number
  readonly kid: Kid
  readonly lfn: Lfn
  readonly surl: Surl
  readonly source: string
  readonly study: string
  readonly series: string
  readonly profile: string
  readonly volume: string
  readonly header: string
  readonly slice_bytes: number
  readonly plaintext_bytes: number
  readonly container_bytes: number
  readonly plaintext_sha256: Sha256 | null
  readonly registered: string
  readonly gone_since: string | null
  readonly jws: string
}

/** A volume as the program knows it; PostgreSQL gives long integers as text. */
export function recordOf(row: VolumeRow, slices: readonly SliceRow[], site: SiteId): VolumeRecord {
  const { guid, version, kid, lfn, surl, source, study, series, profile, registered } = row
  return {
    ...{ guid, version, kid, lfn, surl, site, source, study, series, profile, registered, slices },
    plaintextBytes: Number(row.plaintext_bytes),
    containerBytes: Number(row.container_bytes),
    sliceBytes: Number(row.slice_bytes),
    header: Buffer.from(row.header, 'latin1'),
    volume: Volume.parse(JSON.parse(row.volume)),
    manifest: row.jws,
    ...(row.plaintext_sha256 === null ? {} : { plaintextSha256: row.plaintext_sha256 }),
    ...(row.gone_since === null ? {} : { goneSince: row.gone_since }),
  }
}

export function sliceOf(row: SlicesTable): SliceRow {
  return {
    index: row.slice_index,
    sop: row.sop,
    rows: row.rows,
    columns: row.columns,
    position: Vec3.parse(JSON.parse(row.position)),
    orientation: JSON.parse(row.orientation) as Orientation,
    bitsAllocated: row.bits_allocated,
    bitsStored: row.bits_stored,
    highBit: row.high_bit,
    pixelRepresentation: row.pixel_representation,
    slope: row.slope,
    intercept: row.intercept,
    ...(row.released === null ? {} : { released: row.released }),
    ...(row.frame !== 0 && { frame: row.frame }),
    ...(row.tile !== null && { tile: JSON.parse(row.tile) as NonNullable<SliceRow['tile']> }),
    ...(row.value_table !== null && { table: row.value_table }),
  }
}

/** The inverse of sliceOf. */
export function sliceRowOf(
  slice: SliceRow,
  of: { guid: Guid; version: number; instanceGuid: Guid },
): SlicesTable {
  return {
    guid: of.guid,
    version: of.version,
    slice_index: slice.index,
    instance_guid: of.instanceGuid,
    sop: slice.sop,
    rows: slice.rows,
    columns: slice.columns,
    position: JSON.stringify(slice.position),
    orientation: JSON.stringify(slice.orientation),
    bits_allocated: slice.bitsAllocated,
    bits_stored: slice.bitsStored,
    high_bit: slice.highBit,
    pixel_representation: slice.pixelRepresentation,
    slope: slice.slope,
    intercept: slice.intercept,
    released: slice.released ?? null,
    frame: slice.frame ?? 0,
    tile: slice.tile === undefined ? null : JSON.stringify(slice.tile),
    value_table: slice.table ?? null,
  }
}
