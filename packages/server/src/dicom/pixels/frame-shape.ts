/** What one frame is once it is decoded, as the header of its object says. */
export interface FrameShape {
  readonly rows: number
  readonly columns: number
  readonly samples: number
  /** 1, or whole bytes */
  readonly bitsAllocated: number
  readonly bitsStored: number
  readonly signed: boolean
  readonly photometric: string
}

/** Bytes of a frame once it is decoded; a pixel of one bit becomes a byte. */
export function frameBytes({ rows, columns, samples, bitsAllocated }: FrameShape): number {
  return rows * columns * samples * Math.ceil(bitsAllocated / 8)
}
