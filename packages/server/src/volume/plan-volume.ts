import { sliceBytes, voxelBytes } from '@mdm/core/volume/volume'
import type { InstanceHeader } from '../dicom/source.ts'
import { burnedInRisk } from './burned-in.ts'
import { describeVolume, PROFILE } from './deidentify.ts'
import type { Plane } from './plane.ts'
import type { NamedVolume } from './grouping/volumes.ts'
import type { SliceRow, VolumePlan } from './plan.ts'
import { tableDigest } from './table-digest.ts'
import { tableRows } from './tables.ts'

/** A volume of a series with all that registration stores of it. */
export function planVolume(named: NamedVolume): VolumePlan {
  const { label, marks, shared, planes, geometry, values } = named
  const { volume, header } = describeVolume(planes, geometry, values)
  return {
    label,
    marks,
    volume,
    header,
    plaintextBytes: header.length + voxelBytes(volume),
    sliceBytes: sliceBytes(volume),
    slices: planes.map(sliceRow),
    profile: PROFILE,
    tables: tableRows(planes, { volume, label, marks: shared }),
  }
}

/** What is not said of a classic object is left out: the rows of volumes that were registered before stay the same. */
function sliceRow(plane: Plane, index: number): SliceRow {
  const { header, frame, tile, values } = plane
  return {
    index,
    sop: header.sop,
    rows: plane.rows,
    columns: plane.columns,
    position: plane.position,
    orientation: plane.orientation,
    bitsAllocated: header.bitsAllocated!,
    bitsStored: header.bitsStored!,
    highBit: header.highBit!,
    pixelRepresentation: header.pixelRepresentation!,
    slope: values.slope,
    intercept: values.intercept,
    ...(frame !== 0 && { frame }),
    ...(tile !== undefined && { tile }),
    ...(values.table !== undefined && { table: tableDigest(values.table) }),
    ...releasedAs(header),
  }
}

/** An object that is here in spite of its risk was released. */
function releasedAs(header: InstanceHeader): Pick<SliceRow, 'released'> {
  const risk = burnedInRisk(header)
  return risk === undefined ? {} : { released: risk.reason }
}
