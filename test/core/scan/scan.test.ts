import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { encoderOf } from '@mdm/core/scan/charsets'
import { needlesOf } from '@mdm/core/scan/needles'
import { createScanner } from '@mdm/core/scan/scan-bytes'
import { hitsIn, scanPaths, type Finding } from '@mdm/core/scan/scan-files'
import t from 'tap'

const canary = (text: string) => ({ needles: needlesOf([text]), patterns: false })
const patterns = { needles: [], patterns: true }
const rulesIn = (text: string) => hitsIn(Buffer.from(text, 'latin1'), patterns).map(({ rule }) => rule)

t.test('a planted text is found in every way it may be written', async (t) => {
  const text = 'Müller^Jörg'
  const written: Record<string, Buffer> = {
    'utf-8': Buffer.from(text),
    'utf-16le': Buffer.from(text, 'utf16le'),
    'utf-16be': Buffer.from(text, 'utf16le').swap16(),
    'iso-8859-1': Buffer.from(text, 'latin1'),
    json: Buffer.from('"M\\u00fcller^J\\u00f6rg"'),
    'hex of it': Buffer.from(Buffer.from(text).toString('hex')),
  }
  for (const before of ['', '.', '..'])
    written[`base64 after "${before}"`] = Buffer.from(Buffer.from(`${before}${text}...`).toString('base64'))
  for (const [how, bytes] of Object.entries(written)) {
    const around = Buffer.concat([Buffer.alloc(1000, 0x20), bytes, Buffer.alloc(1000, 0x20)])
    t.ok(hitsIn(around, canary(text)).length > 0, how)
  }
  t.strictSame(hitsIn(Buffer.from('Miller^Jorg'), canary(text)), [])
})

t.test('names in other scripts are found as DICOM writes them', async (t) => {
  // Bytes of DICOM PS3.5 annexes H, I and J.
  const samples: Record<string, [text: string, bytes: Buffer]> = {
    'ISO 2022 IR 87': ['山田', Buffer.from('\x1b$B;3ED\x1b(B', 'latin1')],
    'ISO 2022 IR 149': ['김희중', Buffer.from('\x1b$)C\xb1\xe8\xc8\xf1\xc1\xdf', 'latin1')],
    GB18030: ['王小东', Buffer.from('\xcd\xf5\xd0\xa1\xb6\xab', 'latin1')],
    'ISO_IR 144': ['Люкceмбypг', Buffer.from('\xbb\xee\xda\x63\x65\xdc\xd1\x79\x70\xd3', 'latin1')],
    'ISO_IR 126': ['Διονυσιος', Buffer.from('\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2', 'latin1')],
  }
  for (const [set, [text, bytes]] of Object.entries(samples))
    t.ok(hitsIn(bytes, canary(text)).length > 0, set)
  t.equal(encoderOf('iso-8859-1')('山'), undefined)
})

t.test('a text that two pieces share is found once, at its place', async (t) => {
  const bytes = Buffer.concat([Buffer.alloc(3000, 0x2e), Buffer.from('CANARY-7'), Buffer.alloc(3000, 0x2e)])
  for (const size of [1, 7, 1000, 3001, 3004, 3008, 10_000]) {
    const scanner = createScanner(needlesOf(['CANARY-7']), { patterns: true })
    const hits = []
    for (let at = 0; at < bytes.length; at += size) hits.push(...scanner.push(bytes.subarray(at, at + size)))
    hits.push(...scanner.end())
    t.strictSame(
      hits.map(({ offset, encoding }) => [offset, encoding]),
      [[3000, 'utf-8']],
      `pieces of ${size}`,
    )
  }
})

t.test('what names somebody by its form is found', async (t) => {
  const found: Record<string, string[]> = {
    'person-name': ['DOE^JANE', 'x M\xc3\xbcller^J\xc3\xb6rg x'],
    date: ['born 19330405.', '1933-04-05', '05.04.1933'],
    uid: ['1.2.826.0.1.3680043.8.498.1', '2.25.329800735698586629295641978511506172918'],
    accession: ['Accession: A1234567', 'MRN#0012345', 'acc_no=998877'],
    phone: ['+33 4 92 96 51 52', '0049 (0) 89 1234567'],
    'e-mail': ['jane.doe@example.org'],
    iban: ['GB82 WEST 1234 5698 7654 32', 'DE89370400440532013000'],
    nir: ['1 84 12 76 451 089 46', '255081416802538'],
    ssn: ['078-05-1120'],
    nhs: ['943 476 5919'],
    'dicom-patient': ['\x10\x00\x10\x00PN\x08\x00', '\x10\x00\x30\x00DA\x08\x00'],
  }
  for (const [rule, texts] of Object.entries(found))
    for (const text of texts) t.ok(rulesIn(` ${text} `).includes(rule), `${rule}: ${text}`)
})

t.test('numbers of a header, times of a log and identifiers of standards are not found', async (t) => {
  for (const text of [
    'space directions: (0.451171875,0,0) (0,0.451171875,0) (0,0,5)',
    'space origin: (-115.5,-228.69882202148438,696.2100219726562)',
    '{"time":"2026-11-27T20:35:14.123Z","event":"volume-registered","bytes":120200102}',
    '1.2.840.10008.5.1.4.1.1.2',
    '6f1c1e0e-4d0b-4c41-9a53-3f6f2a0c6f55',
    'version 10.20.30.40',
    'GB82 WEST 1234 5698 7654 33',
    '2^16 bytes',
    '943 476 5918',
  ])
    t.strictSame(rulesIn(text), [], text)
})

t.test('files, folders, their names and what gzip packs are looked into, links are not', async (t) => {
  const dir = t.testdir({
    'a.bin': Buffer.from('...CANARY-1...'),
    'CANARY-1.txt': 'nothing',
    sub: { 'b.log': 'clean' },
  })
  await writeFile(
    join(dir, 'c.nii.gz'),
    gzipSync(Buffer.concat([Buffer.alloc(5_000_000), Buffer.from('CANARY-1')])),
  )
  await writeFile(
    join(dir, 'd.gz'),
    Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.from(' no gzip CANARY-1')]),
  )
  await mkdir(join(dir, 'CANARY-1'))
  await symlink(dir, join(dir, 'sub', 'loop'))
  const found: Finding[] = []
  for await (const finding of scanPaths([dir], canary('CANARY-1'))) found.push(finding)
  t.strictSame(
    found.map(({ path, inside, offset }) => [path.slice(dir.length + 1), inside, offset]),
    [
      ['CANARY-1', 'name', 0],
      ['CANARY-1.txt', 'name', 0],
      ['a.bin', 'file', 3],
      ['c.nii.gz', 'gzip', 5_000_000],
      ['d.gz', 'file', 11],
    ],
  )
  const absent = scanPaths([join(dir, 'absent')], canary('CANARY-1'))
  await t.rejects(absent.next(), { code: 'MDM_FILE' })
})
