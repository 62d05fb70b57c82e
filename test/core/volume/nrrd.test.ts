import { nrrdHeader, parseNrrdHeader } from '@mdm/core/volume/formats/nrrd'
import type { Volume } from '@mdm/core/volume/volume'
import t from 'tap'
import { AWKWARD, PLAIN } from './volumes.ts'

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
    'a type we do not know': text.replace('uint16', 'float'),
    'no end': `${text.trimEnd()}${'\nmore:=x'.repeat(1000)}`,
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
