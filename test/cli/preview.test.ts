import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readImageNode } from '@itk-wasm/image-io'
import { nrrdHeader } from '@mdm/core/volume/formats/nrrd'
import type { Picture } from '@mdm/core/volume/preview/preview'
import type { Volume } from '@mdm/core/volume/volume'
import t from 'tap'
import { previewNrrd } from '../../packages/cli/src/demo/preview.ts'
import { pngOf } from '../../packages/cli/src/preview/png.ts'
import { canvasOf, drawPicture } from '../../packages/cli/src/preview/terminal.ts'

/** Black but for a bright square in the lower right quarter. */
const SQUARE: Picture = {
  width: 8,
  height: 8,
  channels: 1,
  data: Uint8Array.from({ length: 64 }, (_, i) => (i % 8 >= 4 && i >= 32 ? 255 : 0)),
}
const letters = { columns: 8, rows: 24, colours: 'none' } as const

t.test('bright pixels are bright characters at their place, in letters twice as high as wide', async (t) => {
  t.equal(drawPicture(SQUARE, letters), '\n\n    @@@@\n    @@@@\n')
})

t.test('a terminal gets half blocks in grey, one for two rows, and its colours back', async (t) => {
  const lines = drawPicture(SQUARE, { columns: 8, rows: 24, colours: '256' }).trimEnd().split('\n')
  t.equal(lines.length, 4)
  const dark = '\u001b[38;5;232;48;5;232m▀'
  const white = '\u001b[38;5;255;48;5;255m▀'
  t.equal(lines[0], `${dark.repeat(8)}\u001b[0m`)
  t.equal(lines[3], `${dark.repeat(4)}${white.repeat(4)}\u001b[0m`)
})

t.test('colours are the nearest of 256, or themselves where the terminal has them', async (t) => {
  const orange: Picture = {
    width: 1,
    height: 2,
    channels: 3,
    data: Uint8Array.from([255, 128, 0, 10, 20, 240]),
  }
  const cell = (colours: '256' | '24bit') => drawPicture(orange, { columns: 1, rows: 1, colours })
  t.equal(cell('24bit'), '\u001b[38;2;255;128;0;48;2;10;20;240m▀\u001b[0m\n')
  t.equal(cell('256'), `\u001b[38;5;${16 + 36 * 5 + 6 * 3};48;5;${16 + 5}m▀\u001b[0m\n`)
})

t.test('the picture fits the canvas and keeps its proportions', async (t) => {
  const tall: Picture = { width: 20, height: 80, channels: 1, data: new Uint8Array(1600).fill(255) }
  const lines = drawPicture(tall, { columns: 40, rows: 10, colours: 'none' }).trimEnd().split('\n')
  t.same([lines.length, lines[0]!.length], [10, 5])
})

t.test('what the terminal says of itself decides', async (t) => {
  const screen = { columns: 100, rows: 40 }
  t.same(canvasOf(screen, {}), { columns: 99, rows: 38, colours: '256' })
  t.equal(canvasOf(screen, { COLORTERM: 'truecolor' }).colours, '24bit')
  t.equal(canvasOf(screen, { COLORTERM: 'truecolor', NO_COLOR: '1' }).colours, 'none')
  t.equal(canvasOf(screen, { TERM: 'dumb' }).colours, 'none')
})

t.test('ITK finds in the PNG file the pixels that were drawn, and nothing but pixels is in it', async (t) => {
  const dir = t.testdir({})
  const colour: Picture = { ...SQUARE, width: 4, height: 3, channels: 3, data: Uint8Array.from({ length: 36 }, (_, i) => i * 7) } // prettier-ignore
  for (const [name, picture] of Object.entries({ grey: SQUARE, colour })) {
    const png = pngOf(picture)
    const path = join(dir, `${name}.png`)
    await writeFile(path, png)
    const image = await readImageNode(path)
    t.same(image.size, [picture.width, picture.height], name)
    t.same([...(image.data as Uint8Array)], [...picture.data], name)
    const chunks: string[] = []
    for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12)
      chunks.push(png.toString('latin1', at + 4, at + 8))
    t.same([...new Set(chunks)], ['IHDR', 'IDAT', 'IEND'], name)
  }
})

t.test('the demo draws the middle slice of an NRRD file', async (t) => {
  const volume: Volume = {
    columns: 8,
    rows: 8,
    slices: 3,
    type: 'int16',
    spaceDirections: [[1, 0, 0], [0, 1, 0], [0, 0, 2]], // prettier-ignore
    origin: [0, 0, 0],
    slope: 1,
    intercept: 0,
    modality: 'CT',
  }
  const slice = (bright: number) =>
    Buffer.from(Int16Array.from(SQUARE.data, (pixel) => (pixel > 0 ? bright : -1000)).buffer)
  const file = Buffer.concat([nrrdHeader(volume), slice(-1000), slice(1000), slice(-1000)])
  t.equal(await previewNrrd(file, letters), '\n\n    @@@@\n    @@@@\n')
  t.equal(await previewNrrd(Buffer.from('NRRD0004\n'), letters), '')
})
