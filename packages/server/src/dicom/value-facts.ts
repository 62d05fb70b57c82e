/** The values of `first` and of each stored number after it (DICOM PS3.3 C.11.1.1.1). */
export interface ModalityLut {
  readonly first: number
  readonly values: readonly number[]
  /** what the values are (0028,3004), such as HU or OD */
  readonly type: string | undefined
}

/** How stored numbers from `first` to `last` become values of the real world (DICOM PS3.3 C.7.6.16.2.11). */
export interface RealWorldMapping {
  readonly first: number | undefined
  readonly last: number | undefined
  readonly slope: number | undefined
  readonly intercept: number | undefined
  /** the value of each of the stored numbers, in place of a slope */
  readonly table: readonly number[] | 'malformed' | undefined
  /** code of the unit (UCUM) */
  readonly units: string | undefined
}

/** Numbers of 16 bits are read without a sign where one cannot know; this gives it to them. */
export function signed16(value: number, pixelRepresentation: number | undefined): number {
  return pixelRepresentation === 1 ? (value << 16) >> 16 : value
}
