import { nrrdHeader, parseNrrdHeader } from '@mdm/core/volume/formats/nrrd'
import type { Volume } from '@mdm/core/volume/volume'
import t from 'tap'
import { AWKWARD, PLAIN } from './volumes.ts'

const COLOURS = nrrdHeader({ ...PLAIN, type: 'rgb24' }).toString()

t.test('the header is these lines and no others', async (t) => {
  const lines = nrrdHeader({ ...PLAIN, units: 'HU', inverted: true })
    .toString()
    .split('\n')
  t.same(lines, [
    'NRRD0004',
    'type: uint16',
    'dimension: 3',
    'space: left-posterior-superior',
    'sizes: 3 2 4',
    'space directions: (2,0,0) (0,3,0) (0,0,4)',
    'kinds: domain domain domain',
    'endian: little',
    'encoding: raw',
    'space units: "mm" "mm" "mm"',
    'space origin: (10,20,30)',
    'rescale slope:=1',
    'rescale intercept:=0',
    'modality:=MR',
    'units:=HU',
    'photometric:=MONOCHROME1',
    '',
    '',
  ])
})

t.test('what a volume may be besides is said in lines that others do not have', async (t) => {
  const positions = [0, 4, 9, 12.5]
  const colour: Volume = { ...PLAIN, type: 'rgb24', lossy: true }
  const uneven: Volume = { ...PLAIN, type: 'float64', slicePositions: positions }
  t.match(nrrdHeader(colour).toString(), 'type: uint8\ndimension: 4\n')
  t.match(nrrdHeader(colour).toString(), 'sizes: 3 3 2 4\nspace directions: none (2,0,0) (0,3,0) (0,0,4)\n')
  t.match(nrrdHeader(colour).toString(), 'kinds: RGB-color domain domain domain\n')
  t.match(nrrdHeader(colour).toString(), 'modality:=MR\nlossy:=true\n\n')
  t.match(nrrdHeader(uneven).toString(), 'type: double\n')
  t.match(nrrdHeader(uneven).toString(), 'modality:=MR\nslice positions:=0 4 9 12.5\n\n')
  for (const volume of [colour, uneven, { ...PLAIN, type: 'float32' as const }])
    t.strictSame(parseNrrdHeader(nrrdHeader(volume))?.volume, volume)
})

t.test('a set of volumes has one more axis, which is named with its values', async (t) => {
  const lines = (type: Volume['type']) =>
    nrrdHeader({ ...PLAIN, type }, { name: 'diffusion', unit: 's/mm2', values: [0, 500, 1000.5] }).toString()
  t.match(lines('int16'), 'dimension: 4\n')
  t.match(lines('int16'), 'sizes: 3 2 4 3\nspace directions: (2,0,0) (0,3,0) (0,0,4) none\n')
  t.match(lines('int16'), 'kinds: domain domain domain list\n')
  t.match(lines('int16'), 'axis:=diffusion\naxis unit:=s/mm2\naxis values:=0 500 1000.5\n\n')
  t.match(lines('rgb24'), 'dimension: 5\n')
  t.match(lines('rgb24'), 'kinds: RGB-color domain domain domain list\n')
  t.notMatch(nrrdHeader(PLAIN, { name: 'frame', values: [1, 2] }).toString(), 'axis unit')
})

t.test('a header that the first frame of a container cannot hold is not made', async (t) => {
  const uneven = (slices: number): Volume => ({
    ...PLAIN,
    slices,
    slicePositions: Array.from({ length: slices }, (_, k) => k * 1.0000000000000002 + (k % 2) / 3),
  })
  const most = nrrdHeader(uneven(3000))
  t.ok(most.length > 50_000)
  t.strictSame(parseNrrdHeader(most)?.volume, uneven(3000))
  t.throws(() => nrrdHeader(uneven(10_000)), { code: 'MDM_GEOMETRY_GAP' })
})

t.test('every double comes back as it was', async (t) => {
  const header = nrrdHeader(AWKWARD)
  t.strictSame(parseNrrdHeader(header), { volume: AWKWARD, headerBytes: header.length })
  for (let n = 0; n < 2000; n++) {
    const random = (): number => new Float64Array(crypto.getRandomValues(new Uint8Array(8)).buffer)[0]!
    const slope = random()
    if (!Number.isFinite(slope)) continue
    const volume: Volume = { ...PLAIN, slope, origin: [slope / 3, -slope, slope * 1e-9] }
    if (!volume.origin.every(Number.isFinite)) continue
    t.strictSame(parseNrrdHeader(nrrdHeader(volume))?.volume, volume)
  }
})

t.test('a header in pieces needs more bytes until it is whole', async (t) => {
  const header = nrrdHeader(AWKWARD)
  for (let length = 0; length < header.length; length++)
    t.equal(parseNrrdHeader(header.subarray(0, length)), undefined)
  t.equal(parseNrrdHeader(Buffer.concat([header, Buffer.from('\n\nvoxels')]))?.headerBytes, header.length)
})

t.test('what is no such header is MDM_INTEGRITY', async (t) => {
  const text = nrrdHeader(PLAIN).toString()
  const broken: Record<string, string> = {
    magic: text.replace('NRRD0004', 'NRRD0005'),
    gzip: text.replace('raw', 'gzip'),
    'big endian': text.replace('endian: little', 'endian: big'),
    'another space': text.replace('left-posterior', 'right-anterior'),
    'a field that changes the meaning': text.replace('kinds', 'byte skip: 7\nkinds'),
    'a field twice': text.replace('kinds', 'sizes: 3 2 4\nkinds'),
    'a size of zero': text.replace('sizes: 3', 'sizes: 0'),
    'a size with a sign': text.replace('sizes: 3', 'sizes: +3'),
    'two sizes': text.replace('sizes: 3 2 4', 'sizes: 3 2'),
    'no number': text.replace('(2,0,0)', '(2,nan,0)'),
    infinity: text.replace('slope:=1', 'slope:=1e999'),
    'no slope': text.replace('rescale slope:=1\n', ''),
    'a type we do not know': text.replace('uint16', 'block'),
    'a type under our own name': text.replace('uint16', 'float32'),
    'colours without their axis': text.replace('uint16', 'rgb24'),
    'colours of 16 bits': COLOURS.replace('uint8', 'uint16'),
    'four samples': COLOURS.replace('sizes: 3', 'sizes: 4'),
    'samples with a place': COLOURS.replace('none', '(1,0,0)'),
    'an axis too many': text.replace('dimension: 3', 'dimension: 4'),
    'a set of volumes': nrrdHeader(PLAIN, { name: 'time', unit: 's', values: [0, 2] }).toString(),
    'three positions for four slices': text.replace('modality', 'slice positions:=0 4 9\nmodality'),
    'lossy or not': text.replace('modality', 'lossy:=perhaps\nmodality'),
    'no end': `${text.trimEnd()}${'\nmore:=x'.repeat(10_000)}`,
    'a comment': text.replace('kinds', '# written by someone\nkinds'),
  }
  for (const [what, header] of Object.entries(broken)) {
    t.not(header, text, what)
    t.throws(() => parseNrrdHeader(Buffer.from(header)), { code: 'MDM_INTEGRITY' }, what)
  }
})

t.test('a pair that a later version adds is passed over', async (t) => {
  const later = nrrdHeader(PLAIN).toString().replace('modality', 'later:=thing\nmodality')
  t.strictSame(parseNrrdHeader(Buffer.from(later))?.volume, PLAIN)
})
