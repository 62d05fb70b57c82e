import t from 'tap'
import { displayDn, Dn, dnFromDer, isBelow, nameAttributes, parseDn } from '@mdm/core/identity/dn'
import { der, name, text, type Part } from './certificates.ts'

const alice = ['C=FR', 'O=Hospital', 'CN=Alice Martin'].map((p) => p.split('=')) as unknown as Part[]

t.test('a name has one canonical form, however a person writes it', async (t) => {
  const same = [
    'CN=Alice Martin,O=Hospital,C=FR',
    'cn=ALICE  MARTIN, o=hospital , c=fr',
    'CN = Alice Martin, O = Hospital, C = FR',
    '2.5.4.3=Alice Martin,OID.2.5.4.10=Hospital,countryName=FR',
    'CN=\\41lice Martin,O=Hospital,C=FR',
    'CN=#0c0c416c696365204d617274696e,O=Hospital,C=FR',
    '/C=FR/O=Hospital/CN=Alice Martin',
    '/c=fr/o=HOSPITAL/cn=alice martin',
  ]
  for (const typed of same) t.equal(parseDn(typed), 'CN=alice martin,O=hospital,C=fr', typed)
  t.equal(dnFromDer(name(...alice)), parseDn(same[0]!))
})

t.test('attribute types with several spellings are one', async (t) => {
  for (const type of ['emailAddress', 'E', 'Email', 'EMAIL', '1.2.840.113549.1.9.1'])
    t.equal(parseDn(`${type}=a@b.fr`), 'emailAddress=a@b.fr', type)
  for (const type of ['UID', 'USERID', 'userId', '0.9.2342.19200300.100.1.1'])
    t.equal(parseDn(`${type}=am`), 'UID=am', type)
})

t.test('a name is the same in every string type, composed or not', async (t) => {
  const named = (...value: [string, Part[2]]) => dnFromDer(name(['C', 'FR', 'printable'], ['CN', ...value]))
  const utf8 = named('Zoé Martin', 'utf8')
  t.equal(utf8, 'CN=zoé martin,C=fr')
  t.equal(named('Zoé Martin'.normalize('NFD'), 'utf8'), utf8)
  t.equal(named('Zoé Martin', 'bmp'), utf8)
  t.equal(named('Zoe Martin', 'printable'), named('Zoe Martin', 'utf8'))
  t.equal(named('Zoe Martin', 'ia5'), named('Zoe Martin', 'bmp'))
  t.equal(named('  Zoe   Martin ', 'utf8'), named('Zoe Martin', 'printable'))
  t.equal(named('STRASSE', 'utf8'), named('straße', 'utf8'), 'full case folding')
  t.equal(named('ΣΑΣ', 'utf8'), named('σας', 'utf8'), 'both small sigmas')
  t.not(named('ısa', 'utf8'), named('isa', 'utf8'), 'the dotless i is another letter')
  t.not(named('Zoe Martin', 'utf8'), utf8, 'an accent makes another name')
})

t.test('a slash in a value is a character, never a boundary', async (t) => {
  const mallory = dnFromDer(name(['C', 'FR'], ['O', 'Hospital'], ['CN', 'Mallory/CN=Alice Martin']))
  const nested = dnFromDer(name(['C', 'FR'], ['O', 'Hospital'], ['CN', 'Mallory'], ['CN', 'Alice Martin']))
  t.not(mallory, nested)
  t.equal(parseDn('/C=FR/O=Hospital/CN=Mallory/CN=Alice Martin'), nested)
  t.equal(parseDn('CN=Mallory/CN=Alice Martin,O=Hospital,C=FR'), mallory)
})

t.test('a comma, plus or quote in a value is no boundary either', async (t) => {
  const hostile = 'Alice Martin,O=Hospital+CN="x";<y>\\ #'
  const dn = dnFromDer(name(['C', 'FR'], ['CN', hostile]))
  t.equal(parseDn(dn), dn, 'the canonical form reads back as itself')
  t.not(dn, dnFromDer(name(...alice)))
})

t.test('a newline, NUL or bidi override in a certificate makes another name, shown as bytes', async (t) => {
  const clean = dnFromDer(name(['CN', 'BobCN=Alice']))
  for (const [inserted, shown] of [
    ['\n', '\\0A'],
    ['\0', '\\00'],
    ['\u202e', '\\E2\\80\\AE'],
    ['\u200b', '\\E2\\80\\8B'],
  ] as const) {
    const dn = dnFromDer(name(['CN', `Bob${inserted}CN=Alice`]))
    t.equal(dn, `CN=bob${shown}cn=alice`)
    t.not(dn, clean)
    t.throws(() => parseDn(dn), { code: 'MDM_USAGE' }, 'and no access list can name it')
  }
})

t.test('the attributes of one part are a set; two parts are something else', async (t) => {
  const multi = dnFromDer(
    name(
      ['O', 'x'],
      [
        ['OU', 'b'],
        ['CN', 'Carol'],
      ],
    ),
  )
  t.equal(
    multi,
    dnFromDer(
      name(
        ['O', 'x'],
        [
          ['CN', 'Carol'],
          ['OU', 'b'],
        ],
      ),
    ),
  )
  t.equal(multi, parseDn('OU=b+CN=Carol,O=x'))
  t.not(multi, dnFromDer(name(['O', 'x'], ['OU', 'b'], ['CN', 'Carol'])))
  t.not(multi, dnFromDer(name(['O', 'x'], ['CN', 'Carol'], ['OU', 'b'])))
  t.throws(
    () =>
      dnFromDer(
        name([
          ['CN', 'a'],
          ['CN', 'A'],
        ]),
      ),
    { code: 'MDM_UNAUTHENTICATED' },
  )
})

t.test('a value of an unknown type keeps its case unless it is a directory string', async (t) => {
  const of = (as: Part[2], value: string) => dnFromDer(name(['1.3.6.1.4.1.99999.1', value, as]))
  t.equal(of('utf8', 'Foo'), of('printable', 'FOO'))
  t.not(of('ia5', 'Foo'), of('ia5', 'foo'))
  t.equal(parseDn(of('ia5', 'Foo')), of('ia5', 'Foo'))
})

t.test('what could pass for another name is refused in a typed name', async (t) => {
  const refused = [
    'CN=a\u0000',
    'CN=a\nb',
    'CN=a\u007f',
    'CN=\u202eecila',
    'CN=a\u2066b',
    'CN=a\u200bb',
    'CN=a\u00adb',
    'CN=\ue000',
    'CN=\u{f0000}',
    'CN=a\\0Ab',
    'CN=\\E2\\80\\AEx',
    'CN=',
    'CN=  ',
    'CN=#0c00',
    'CN=Аlice',
    'CN=Αlice',
    'CN=\ufdd0',
    'CN=a\u3164',
  ]
  for (const typed of refused) t.throws(() => parseDn(typed), { code: 'MDM_USAGE' }, JSON.stringify(typed))
  for (const typed of ['CN=Зоя', 'CN=Ζωή β', 'CN=张伟', "CN=Zoé d'Alembert-Ngọc"]) t.ok(parseDn(typed), typed)
})

t.test('malformed and ambiguous names are refused', async (t) => {
  const refused = [
    '',
    ',',
    'Alice',
    'CN',
    'XX=a',
    'CN=a,',
    'CN=a,,O=b',
    'CN=a;O=b',
    'CN="a"',
    'CN=a<b',
    'CN=a\\',
    'CN=a\\zb',
    'CN=\\FF',
    'CN=#zz',
    'CN=#0c05',
    'CN=#1403616263',
    '2.05.4.3=a',
    '3.1=a',
    'CN=a+CN=A',
    `CN=${'a'.repeat(3000)}`,
    '/',
    '/CN',
    '/O=x/CN=host/a.example.org',
    '/O=x/CN=a+OU=b',
    '/O=x/CN=a\\b',
    '/O=x/CN=a//',
    '/O=x/CN=a<b',
    Array.from({ length: 65 }, (_, i) => `OU=${i}`).join(','),
  ]
  for (const typed of refused)
    t.throws(() => parseDn(typed), { code: 'MDM_USAGE' }, JSON.stringify(typed.slice(0, 40)))
})

t.test('malformed names in DER are refused', async (t) => {
  const attribute = (value: Buffer) =>
    der(0x30, der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), value)))
  const refused: [string, Buffer][] = [
    ['no parts', der(0x30)],
    ['an empty part', der(0x30, der(0x31))],
    ['TeletexString', attribute(text('teletex', 'Zo\u00e9'))],
    ['UniversalString', attribute(text('universal', '\0\0\0a'))],
    ['Latin-1 in PrintableString', attribute(text('printable', 'Zo\u00e9'))],
    ['broken UTF-8', attribute(der(0x0c, Buffer.from([0xc3])))],
    ['overlong UTF-8', attribute(der(0x0c, Buffer.from([0xc0, 0xaf])))],
    ['a surrogate in BMPString', attribute(der(0x1e, Buffer.from('d83dde00', 'hex')))],
    ['half a character', attribute(der(0x1e, Buffer.from([0])))],
    ['a number as common name', attribute(der(0x02, Buffer.from([1])))],
    ['bytes after the end', Buffer.concat([name(['CN', 'a']), Buffer.from([0])])],
    ['a long length for a short value', Buffer.from('3081023100', 'hex')],
    ['an indefinite length', Buffer.from('3080310000000000', 'hex')],
    ['a value cut short', name(['CN', 'abc']).subarray(0, -1)],
    ['a set where a sequence belongs', der(0x31, der(0x31))],
  ]
  for (const [what, bytes] of refused) t.throws(() => dnFromDer(bytes), { code: 'MDM_UNAUTHENTICATED' }, what)
})

t.test('ten thousand nested values cost nothing', async (t) => {
  let bomb: Buffer = Buffer.alloc(0)
  for (let i = 0; i < 10_000; i++) bomb = der(0x30, bomb)
  t.throws(() => dnFromDer(bomb), { code: 'MDM_UNAUTHENTICATED' })
  const typed = `1.2.3=#${bomb.subarray(0, 900).toString('hex')}`
  t.throws(() => parseDn(typed), { code: 'MDM_USAGE' })
})

t.test('a name space is compared part by part', async (t) => {
  const space = parseDn('O=Hospital,C=FR')
  t.ok(isBelow(parseDn('CN=Alice,O=Hospital,C=FR'), space))
  t.notOk(isBelow(space, space), 'the space itself is nobody')
  t.notOk(isBelow(parseDn('CN=Alice\\,O=Hospital,C=FR'), space), 'an escaped comma is no boundary')
  t.notOk(isBelow(parseDn('CN=Alice,O=Not Hospital,C=FR'), space))
  t.notOk(isBelow(parseDn('CN=Alice,OU=x+O=Hospital,C=FR'), space))
  t.notOk(isBelow(parseDn('CN=Alice,O=Hospital,C=FR,DC=evil'), space))
})

t.test('the schema takes canonical names only', async (t) => {
  t.equal(Dn.parse('CN=alice,O=hospital'), 'CN=alice,O=hospital')
  for (const other of [
    'CN=Alice,O=hospital',
    'CN=alice, O=hospital',
    '/O=hospital/CN=alice',
    'CN=alice\\0A',
    7,
  ])
    t.notOk(Dn.safeParse(other).success, String(other))
})

t.test('a name for people reads back', async (t) => {
  const dn = parseDn('CN=a\\,b,O=x')
  t.equal(displayDn(dn), 'CN=a\\,b, O=x')
  t.equal(parseDn(displayDn(dn)), dn)
})

t.test('a certificate is made with the name as typed', async (t) => {
  const typed = nameAttributes('CN=Zoé\\, Dr,O=Hospital')
  t.strictSame(typed, [
    { oid: '2.5.4.10', value: 'Hospital' },
    { oid: '2.5.4.3', value: 'Zoé, Dr' },
  ])
  t.throws(() => nameAttributes('CN=a+OU=b'), { code: 'MDM_USAGE' })
})
