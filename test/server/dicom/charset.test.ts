import { decodeText, readHeader } from '@mdm/server/dicom/part10/index'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { sharedData } from '../../fixtures/shared-data.ts'

/** Examples of DICOM PS3.5 annexes H to K; bytes as Latin-1. */
const EXAMPLES: readonly (readonly [set: string, bytes: string, text: string])[] = [
  ['', 'Doe^Jane', 'Doe^Jane'],
  ['ISO_IR 100', 'Buc^J\xe9r\xf4me', 'Buc^Jérôme'],
  ['ISO_IR 126', '\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2', 'Διονυσιος'],
  ['ISO_IR 144', '\xbb\xee\xda', 'Люк'],
  ['ISO_IR 192', 'Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1=', 'Wang^XiaoDong=王^小東='],
  ['GB18030', 'Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=', 'Wang^XiaoDong=王^小东='],
  [
    '\\ISO 2022 IR 87',
    'Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B',
    'Yamada^Tarou=山田^太郎=やまだ^たろう',
  ],
  [
    'ISO 2022 IR 13\\ISO 2022 IR 87',
    '\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J',
    'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう',
  ],
  [
    '\\ISO 2022 IR 149',
    'Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf',
    'Hong^Gildong=洪^吉洞=홍^길동',
  ],
  ['\\ISO 2022 IR 58', 'Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=', 'Zhang^XiaoDong=张^小东='],
  ['ISO_IR 999', '\xe9', 'é'],
]
for (const [set, bytes, text] of EXAMPLES) {
  t.test(`"${set}" decodes ${text}`, async (t) => {
    t.equal(decodeText(Buffer.from(bytes, 'latin1'), set), text)
  })
}

t.test('any bytes in any set decode to something', async (t) => {
  for (let n = 0; n < 500; n++) {
    const bytes = crypto.getRandomValues(new Uint8Array(40))
    bytes[n % 40] = 0x1b
    for (const [set] of EXAMPLES) t.type(decodeText(bytes, set), 'string')
  }
})

const folder = sharedData('files', 'charset')
if (folder === undefined) t.pass('skipped: the real test data is not there')
else {
  const NAMES: Readonly<Record<string, string>> = {
    'chrArab.dcm': 'قباني^لنزار',
    'chrFrenMulti.dcm': 'Buc^Jérôme',
    'chrGreek.dcm': 'Διονυσιος',
    'chrH31.dcm': 'Yamada^Tarou=山田^太郎=やまだ^たろう',
    'chrRuss.dcm': 'Люкceмбypг',
    'chrX1.dcm': 'Wang^XiaoDong=王^小東=',
  }
  for (const [file, name] of Object.entries(NAMES)) {
    t.test(`${file}: ${name}`, async (t) => {
      t.equal(readHeader(readFileSync(`${folder}/${file}`)).text.PatientName, name)
    })
  }
}
