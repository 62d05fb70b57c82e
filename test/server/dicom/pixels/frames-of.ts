import { createDecoders, decodedFrames, storedFrames } from '@mdm/server/dicom/pixels/index'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import type { Test } from 'tap'
import { items, objectOf } from '../../../fixtures/encapsulated.ts'
import { COMPRESSED, type Compression, type Image } from '../../../fixtures/compress.ts'

/** Decoders that end with the test. */
export function decodersFor(
  t: Test,
  o: Parameters<typeof createDecoders>[0] = {},
): ReturnType<typeof createDecoders> {
  const decoders = createDecoders(o)
  t.teardown(() => decoders.close())
  return decoders
}

/** The pixels of every frame of an object. */
export async function framesOf(
  { header, bytes }: ReturnType<typeof objectOf>,
  decoders: ReturnType<typeof createDecoders>,
  wanted?: readonly number[],
): Promise<Buffer[]> {
  const frames: Buffer[] = []
  for await (const { pixels } of decodedFrames(storedFrames(header, bytes, wanted), decoders))
    frames.push(pixels)
  return frames
}

/** An image whose numbers go through all that its bits hold. */
export function testImage(o: Partial<Image> = {}): Image {
  const image = { rows: 40, columns: 30, components: 1, bits: 12, signed: false, ...o }
  const { rows, columns, components, bits, signed } = image
  const value = (i: number) =>
    Math.round((Math.sin(i / 50) + 1) * (2 ** (bits - 1) - 1)) - (signed ? 2 ** (bits - 1) : 0)
  const from = { length: rows * columns * components }
  const words =
    bits > 8 ? Uint16Array.from(from, (_, i) => value(i)) : Uint8Array.from(from, (_, i) => value(i))
  return { ...image, samples: new Uint8Array(words.buffer) }
}

/** Attributes of an object that holds such an image. */
export function headerOf(image: Image): Partial<InstanceHeader> {
  const { rows, columns, components, bits, signed } = image
  return {
    ...{ rows, columns, samplesPerPixel: components, photometric: components === 3 ? 'RGB' : 'MONOCHROME2' },
    ...{ bitsAllocated: bits > 8 ? 16 : 8, bitsStored: bits, highBit: bits - 1 },
    pixelRepresentation: signed ? 1 : 0,
  }
}

/** An object of one compressed frame. */
export function compressedObject(
  stream: Uint8Array,
  how: Compression,
  header: Partial<InstanceHeader>,
): ReturnType<typeof objectOf> {
  return objectOf(items([stream]), { transferSyntax: COMPRESSED[how], ...header })
}
