import { nrrdHeader } from '@mdm/core/volume/formats/nrrd'
import type { Volume } from '@mdm/core/volume/volume'
import t from 'tap'
import { preview, previewNrrd } from '../../packages/cli/src/demo/preview.ts'

const volume: Volume = {
  columns: 8,
  rows: 8,
  slices: 3,
  type: 'int16',
  spaceDirections: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 2],
  ],
  origin: [0, 0, 0],
  slope: 1,
  intercept: 0,
  modality: 'CT',
}

/** A slice that is -1000 but for a bright square in its lower right quarter. */
function slice(bright: number): Buffer {
  const voxels = Buffer.alloc(128)
  for (let i = 0; i < 64; i++) voxels.writeInt16LE(i % 8 >= 4 && i >= 32 ? bright : -1000, 2 * i)
  return voxels
}

t.test('bright voxels are bright characters at their place, in letters twice as high as wide', async (t) => {
  const text = preview(volume, slice(1000), { columns: 8, rows: 24, colour: false })
  t.equal(text, '\n\n    @@@@\n    @@@@\n')
})

t.test('a terminal gets half blocks in grey, one for two rows, and its colours back', async (t) => {
  const lines = preview(volume, slice(1000), { columns: 8, rows: 24, colour: true }).trimEnd().split('\n')
  t.equal(lines.length, 4)
  const dark = '\u001b[38;5;232;48;5;232m▀'
  const white = '\u001b[38;5;255;48;5;255m▀'
  t.equal(lines[0], `${dark.repeat(8)}\u001b[0m`)
  t.equal(lines[3], `${dark.repeat(4)}${white.repeat(4)}\u001b[0m`)
})

t.test('the picture fits the canvas and keeps the proportions of the body', async (t) => {
  const tall = {
    ...volume,
    spaceDirections: [
      [1, 0, 0],
      [0, 4, 0],
      [0, 0, 1],
    ] as Volume['spaceDirections'],
  }
  const lines = preview(tall, slice(1000), { columns: 40, rows: 10, colour: false }).split('\n')
  t.ok(lines.length - 1 <= 10)
  t.ok(Math.max(...lines.map((line) => line.length)) <= 5, 'a fifth as wide as high in letters')
})

t.test('low values that are meant to be white are', async (t) => {
  const text = preview({ ...volume, inverted: true }, slice(1000), { columns: 8, rows: 24, colour: false })
  t.equal(text, '@@@@@@@@\n@@@@@@@@\n@@@@\n@@@@\n')
})

t.test('one value everywhere is drawn without dividing by nothing', async (t) => {
  t.equal(preview(volume, slice(-1000), { columns: 8, rows: 24, colour: false }), '\n\n\n\n')
})

t.test('the middle slice of an NRRD file is taken', async (t) => {
  const file = Buffer.concat([nrrdHeader(volume), slice(-1000), slice(1000), slice(-1000)])
  t.equal(previewNrrd(file, { columns: 8, rows: 24, colour: false }), '\n\n    @@@@\n    @@@@\n')
})
