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

/** Bytes of a frame once it is decoded. */
export function frameBytes(shape: FrameShape): number {
  return shape.rows * shape.columns * pixelBytes(shape)
}

/** Bytes of one decoded pixel with all its samples; a sample of one bit becomes a byte. */
export function pixelBytes({ samples, bitsAllocated }: FrameShape): number {
  return samples * Math.ceil(bitsAllocated / 8)
}
