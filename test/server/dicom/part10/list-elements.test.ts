import { entryOf } from '@mdm/core/volume/dicom-series/dictionary'
import { listElements } from '@mdm/server/dicom/part10/index'
import t from 'tap'
import { encodeDataSet, SYNTAXES, type Element } from '../../../conformance/raw-object.ts'

const vrOf = (tag: string) => entryOf(tag)?.vr
const JAPANESE = Buffer.from('Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B', 'latin1')

const elements: Element[] = [
  { tag: '00080005', vr: 'CS', value: '\\ISO 2022 IR 87' },
  { tag: '00080060', vr: 'CS', value: 'CT' },
  { tag: '00100010', vr: 'PN', value: JAPANESE },
  {
    ...{ tag: '00400275', vr: 'SQ', undefinedLength: true },
    value: [[{ tag: '00400008', vr: 'SQ', value: [[{ tag: '00080104', vr: 'LO', value: 'deep' }]] }], []],
  },
  { tag: '00280010', vr: 'US', value: [512] },
  { tag: '00290010', vr: 'LO', value: 'MAKER' },
  { tag: '00291001', vr: 'UN', value: Buffer.from('private text') },
  { tag: '00291002', vr: 'OB', value: Buffer.from([0, 1, 2, 3]) },
  { tag: '7fe00010', vr: 'OW', value: Buffer.alloc(8) },
]
const listed = (syntax: string, bytes = encodeDataSet(elements, syntax)) => listElements(bytes, syntax, vrOf)

for (const syntax of ['explicit', 'implicit', 'deflated', 'bigEndian'] as const) {
  t.test(`every element is listed, in sequences too: ${syntax}`, async (t) => {
    const { elements: found, complete } = listed(SYNTAXES[syntax])
    const value = (path: string) => found.find((element) => element.path === path)?.value
    t.equal(complete, true)
    t.equal(value('00080060'), 'CT')
    t.equal(value('00100010'), 'Yamada^Tarou=山田^太郎')
    t.equal(value('00400275'), '2 items')
    t.equal(value('00400275[1].00400008[1].00080104'), 'deep')
    t.equal(value('00280010'), '512')
    t.equal(value('00291001'), 'private text')
    t.equal(value('00291002'), '4 bytes')
    t.equal(value('7fe00010'), '8 bytes')
  })
}

t.test('what is cut short or nested without end is listed as far as it makes sense', async (t) => {
  const bytes = encodeDataSet(elements, SYNTAXES.explicit)
  for (let length = 0; length < bytes.length; length += 3) {
    const { elements: found, complete } = listed(SYNTAXES.explicit, bytes.subarray(0, length))
    t.ok(found.length <= 13 && (complete === false || found.length < 13), `${length} bytes`)
  }
  const open = Buffer.from('40007502SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff', 'latin1')
  const nest = Buffer.concat([Buffer.from([0x40, 0, 0x75, 2]), open.subarray(8)])
  const deep = listed(SYNTAXES.explicit, Buffer.concat(Array.from({ length: 10_000 }, () => nest)))
  t.equal(deep.complete, false)
  t.ok(deep.elements.length < 30)
})
