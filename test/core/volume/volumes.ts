import type { Volume } from '@mdm/core/volume/volume'

/** A small volume with awkward numbers, for tests of formats. */
export const AWKWARD: Volume = {
  columns: 5,
  rows: 4,
  slices: 3,
  type: 'int16',
  spaceDirections: [
    [0.1 + 0.2, 1e-7, -1 / 3],
    [1e21, 2, 5e-324],
    [0, -0.9999999999999929, 7],
  ],
  origin: [-235.199997, 1.7976931348623157e308, 0],
  slope: 0.061238342,
  intercept: -1024,
  units: 'HU',
  modality: 'CT',
}

/** Axial, 2 x 3 x 4 mm. */
export const PLAIN: Volume = {
  columns: 3,
  rows: 2,
  slices: 4,
  type: 'uint16',
  spaceDirections: [
    [2, 0, 0],
    [0, 3, 0],
    [0, 0, 4],
  ],
  origin: [10, 20, 30],
  slope: 1,
  intercept: 0,
  modality: 'MR',
}
