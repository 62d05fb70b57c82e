/** Query identifiers: data sets of PS3.5 section 7. */
import { decodeIdentifier, encodeIdentifier } from '@mdm/server/dicom/dimse/identifier'
import t from 'tap'
import { ELE, ILE } from './both-ends.ts'
import { ascii, bytes } from './bytes.ts'

const KEYS = { '0020000d': '1.2.3', '00080052': 'STUDY', '00100010': '', '00280010': '512' }
const EXPLICIT = bytes(`
  0800 5200 ${ascii('CS')} 0600 ${ascii('STUDY ')}    # query/retrieve level, padded with a blank
  1000 1000 ${ascii('PN')} 0000                       # patient's name, wanted
  2000 0d00 ${ascii('UI')} 0600 ${ascii('1.2.3')} 00  # study, padded with NUL
  2800 1000 ${ascii('US')} 0200 0002                  # rows: 512
`)
const IMPLICIT = bytes(`
  0800 5200 06000000 ${ascii('STUDY ')}
  1000 1000 00000000
  2000 0d00 06000000 ${ascii('1.2.3')} 00
  2800 1000 02000000 0002
`)
const ALL = new Set(Object.keys(KEYS))

t.test('keys are written in the order of their tags, in both ways of writing', async (t) => {
  t.equal(encodeIdentifier(KEYS, ELE).toString('hex'), EXPLICIT.toString('hex'))
  t.equal(encodeIdentifier(KEYS, ILE).toString('hex'), IMPLICIT.toString('hex'))
  for (const [syntax, identifier] of [
    [ELE, EXPLICIT],
    [ILE, IMPLICIT],
  ] as const)
    t.same(Object.fromEntries(decodeIdentifier(identifier, syntax, ALL)), KEYS)
})

t.test('only what is wanted is read', async (t) => {
  t.same([...decodeIdentifier(EXPLICIT, ELE, new Set(['0020000d']))], [['0020000d', '1.2.3']])
})

t.test('text is decoded by the character set of the reply', async (t) => {
  const wanted = new Set(['00100010'])
  for (const [set, name, text] of [
    ['ISO_IR 192', Buffer.from('Müller^Jürgen', 'utf8'), 'Müller^Jürgen'],
    ['ISO_IR 100', Buffer.from('Müller^J', 'latin1'), 'Müller^J'],
    ['ISO_IR 144', Buffer.from([0xbb, 0xee, 0xda, 0x20]), 'Люк'],
  ] as const) {
    const name_ = Buffer.concat([name, Buffer.alloc(name.length % 2, ' ')])
    const identifier = bytes(`
      0800 0500 ${ascii('CS')} 0a00 ${ascii(set)}
      1000 1000 ${ascii('PN')} ${name_.length.toString(16).padStart(2, '0')}00 ${name_.toString('hex')}
    `)
    t.equal(decodeIdentifier(identifier, ELE, wanted).get('00100010'), text, set)
  }
  const written = encodeIdentifier({ '00080005': 'ISO_IR 192', '00100010': 'Ü' }, ILE)
  t.equal(decodeIdentifier(written, ILE, wanted).get('00100010'), 'Ü')
})

t.test('sequences of either kind, nested, are passed over', async (t) => {
  const inner = `2000 0d00 ${ascii('UI')} 0400 ${ascii('9.9')} 00`
  const identifier = bytes(`
    0800 4011 ${ascii('SQ')} 0000 14000000            # defined length: one item
      feff 00e0 0c000000 ${inner}
    0800 1011 ${ascii('SQ')} 0000 ffffffff            # undefined length
      feff 00e0 ffffffff                              # item of undefined length
        0800 4011 ${ascii('SQ')} 0000 ffffffff
          feff 00e0 0c000000 ${inner}
        feff dde0 00000000
      feff 0de0 00000000
    feff dde0 00000000
    2000 0d00 ${ascii('UI')} 0600 ${ascii('1.2.3')} 00
  `)
  t.same([...decodeIdentifier(identifier, ELE, ALL)], [['0020000d', '1.2.3']])
})

t.test('what is no identifier is refused', async (t) => {
  const deep = Array.from({ length: 40 }, () => `0800 1011 ${ascii('SQ')} 0000 ffffffff feff 00e0 ffffffff`)
  for (const [what, identifier] of Object.entries({
    'half a header': bytes('0800 5200'),
    'a value that is cut': EXPLICIT.subarray(0, -1),
    'a value of 4 GiB': bytes(`0800 1011 ${ascii('UT')} 0000 fffffffe`),
    'a sequence without an end': bytes(`0800 1011 ${ascii('SQ')} 0000 ffffffff feff 00e0 00000000`),
    'sequences 40 deep': bytes(deep.join('')),
    'more than 4096 elements': Buffer.concat(
      Array.from({ length: 4097 }, () => bytes('0800 5200 4353 0000')),
    ),
  }))
    t.throws(() => decodeIdentifier(identifier, ELE, ALL), { code: 'MDM_SOURCE_PROTOCOL' }, what)
})

t.test('a key that has no value representation here, or too many values, is our own fault', async (t) => {
  t.throws(() => encodeIdentifier({ '00091001': '' }, ELE), { code: 'MDM_INTERNAL' })
  t.throws(() => encodeIdentifier({ '00080018': '1.2\\'.repeat(20_000) }, ELE), { code: 'MDM_INTERNAL' })
})
