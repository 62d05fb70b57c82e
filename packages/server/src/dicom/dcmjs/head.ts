import type { Vec3 } from '@mdm/core/volume/volume'

export type Tissue = 'air' | 'skin' | 'bone' | 'brain' | 'ventricle' | 'lesion'

interface Ellipsoid {
  tissue: Tissue
  centre: Vec3
  radii: Vec3
}

/** A head of ellipsoids in LPS mm around (0, 0, 0); the last that holds a point gives its tissue. The lesion is in the left front. */
const HEAD: readonly Ellipsoid[] = [
  { tissue: 'skin', centre: [0, 0, 0], radii: [74, 92, 76] },
  { tissue: 'skin', centre: [0, -92, -20], radii: [11, 14, 16] },
  { tissue: 'bone', centre: [0, 0, 0], radii: [69, 87, 71] },
  { tissue: 'brain', centre: [0, 0, 0], radii: [62, 80, 64] },
  { tissue: 'ventricle', centre: [11, 4, 8], radii: [7, 26, 13] },
  { tissue: 'ventricle', centre: [-11, 4, 8], radii: [7, 26, 13] },
  { tissue: 'lesion', centre: [30, -34, 16], radii: [11, 11, 11] },
]

/** What is at a point of the head. */
export function tissueAt([x, y, z]: Vec3): Tissue {
  let found: Tissue = 'air'
  for (const { tissue, centre, radii } of HEAD) {
    const [a, b, c] = [(x - centre[0]) / radii[0], (y - centre[1]) / radii[1], (z - centre[2]) / radii[2]]
    if (a * a + b * b + c * c <= 1) found = tissue
  }
  return found
}
