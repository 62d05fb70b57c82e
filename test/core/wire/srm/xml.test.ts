import t from 'tap'
import { escapeXml, parseXml, REQUEST_LIMITS } from '@mdm/core/wire/srm/xml'

const parse = (text: string | Uint8Array) => parseXml(typeof text === 'string' ? Buffer.from(text) : text)

t.test('names are resolved, references decoded, and white space between elements is nothing', async (t) => {
  const root = parse(
    '\uFEFF<?xml version="1.0" encoding="utf-8"?>\r\n<p:a xmlns:p="urn:p" b="1&amp;2" p:b=\'"\'>\r\n <c xmlns="urn:c"><d/></c><p:e>&lt;&#65;&#x1F600;&gt;</p:e></p:a>\n',
  )
  t.match(root, { namespace: 'urn:p', name: 'a', text: '' })
  t.strictSame(
    [...root.attributes],
    [
      ['b', '1&2'],
      ['{urn:p}b', '"'],
    ],
  )
  const [c, e] = root.children
  t.match(c, { namespace: 'urn:c', name: 'c', children: [{ namespace: 'urn:c', name: 'd', children: [] }] })
  t.match(e, { namespace: 'urn:p', name: 'e', text: '<A\u{1F600}>' })
})

t.test('what SOAP forbids, and what no XML is, is refused', async (t) => {
  const bad: Record<string, string | Uint8Array> = {
    'a DTD': '<!DOCTYPE a><a/>',
    'an entity declaration': '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    'an entity nobody declared': '<a>&b;</a>',
    'a lone ampersand': '<a>b & c</a>',
    'a comment': '<a><!-- b --></a>',
    'a CDATA section': '<a><![CDATA[b]]></a>',
    'a processing instruction': '<a><?b c?></a>',
    'a style sheet': '<?xml version="1.0"?><?xml-stylesheet href="b"?><a/>',
    'XML 1.1': '<?xml version="1.1"?><a/>',
    'another encoding': '<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
    'UTF-16': Buffer.from('\uFEFF<a/>', 'utf16le'),
    'UTF-16 without mark': Buffer.from('<a/>', 'utf16le'),
    'bytes that are no UTF-8': Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]),
    'a NUL': '<a>\0</a>',
    'a control character': '<a>\u0007</a>',
    'a NUL by reference': '<a>&#0;</a>',
    'a control character by reference': '<a>&#x7;</a>',
    'half a character by reference': '<a>&#xD800;</a>',
    'a reference past Unicode': '<a>&#x110000;</a>',
    'no root': '',
    'white space': ' \n',
    'two roots': '<a/><a/>',
    'text beside the root': '<a/>b',
    'text before the root': 'b<a/>',
    'text between elements': '<a>b<c/></a>',
    'a tag left open': '<a><b></a>',
    'a tag closed twice': '<a></a></a>',
    'tags that cross': '<a><b></a></b>',
    'a tag cut short': '<a',
    'an attribute twice': '<a b="1" b="2"/>',
    'an attribute twice by namespace': '<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>',
    'an attribute without value': '<a b/>',
    'an attribute without quotes': '<a b=1/>',
    'an equals sign without a name': '<a ="b"/>',
    'equals signs alone': '<a ====/>',
    'attributes without space between': '<a b="1"c="2"/>',
    'a tag in an attribute': '<a b="<c>"/>',
    'a prefix that stands for nothing': '<p:a/>',
    'a prefix of an attribute that stands for nothing': '<a p:b="1"/>',
    'two prefixes': '<a:b:c xmlns:a="u"/>',
    'a name that is none': '<1/>',
    'the end of a CDATA section': '<a>]]></a>',
  }
  for (const [what, text] of Object.entries(bad))
    t.throws(() => parse(text), { code: 'MDM_BAD_REQUEST' }, what)
})

t.test('a refusal holds no word of the document', async (t) => {
  for (const text of ['<a>secret', '<secret>&b;</secret>', '<secret:a/>', '<__proto__ secret="1"/>'])
    try {
      parse(text)
      t.fail(text)
    } catch (error) {
      t.notMatch((error as Error).message, /secret|proto/)
    }
})

t.test(
  'length, depth, elements and attributes are bounded, and one less than the bound is read',
  async (t) => {
    const deep = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth)
    const wide = (count: number) => `<a>${'<b/>'.repeat(count)}</a>`
    const long = (bytes: number) => `<a>${'b'.repeat(bytes - 7)}</a>`
    const referring = (count: number) => `<a>${'&#65;'.repeat(count)}</a>`
    const rich = (count: number) =>
      `<a ${Array.from({ length: count }, (_, index) => `b${index}="c"`).join(' ')}/>`
    for (const [make, most] of [
      [deep, 32],
      [wide, 11_998],
      [long, REQUEST_LIMITS.maxBytes],
      [rich, 32],
      [referring, 12_000],
    ] as const) {
      t.doesNotThrow(() => parse(make(most)), `${most}`)
      t.throws(() => parse(make(most + 1)), { code: 'MDM_BAD_REQUEST' }, `${most + 1}`)
    }
  },
)

t.test('text that is written is read as it was', async (t) => {
  const text = 'a<b>&amp;]]>"\'\r\n\té\u{1F600}'
  t.equal(parse(`<a>${escapeXml(text)}</a>`).text, text)
  for (const illegal of ['\0', '\u0008', '\uFFFE', '\uD800'])
    t.throws(() => escapeXml(illegal), { code: 'MDM_BAD_REQUEST' })
})
