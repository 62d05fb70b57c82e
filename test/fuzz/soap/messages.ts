import { MESSAGES, UNSUPPORTED } from '@mdm/core/wire/srm/messages'
import { CLIENTS, arc, gfal, surls, tag, tags } from '../../fixtures/srm-messages.ts'
import type { Random } from '../../fixtures/random.ts'

/** A message as it is sent, and what must come of it. */
export interface FuzzMessage {
  readonly body: Buffer
  readonly kind: string
  /** true where SRM itself must answer */
  readonly isWhole?: boolean
  /** true where the message must be refused as no SOAP */
  readonly isRefused?: boolean
}

const GUID = '00000000-0000-4000-8000-000000000001'
const SURL = `srm://localhost/mdm/${GUID}`
const MEGABYTE = 1024 * 1024

/** Names of places, most of which nobody may get to. */
const SURLS = [
  SURL,
  `srm://h:8446/srm/managerv2?SFN=/mdm/${GUID}`,
  'srm://h/mdm',
  'srm://h/',
  'srm://h/mdm/../../etc/passwd',
  'srm://h/mdm/%2e%2e/%2e%2e/etc/passwd',
  `srm://h/mdm/${GUID}/../../../proc/self/environ`,
  `srm://h/mdm/${GUID}%00.txt`,
  `srm://h/mdm/${GUID}@0`,
  `srm://h/mdm/${GUID}@9999999`,
  `srm://h//mdm//${GUID}`,
  'srm://h/lfn/demo/phantoms/CT/000001',
  'srm://h/lfn/../../x',
  'file:///etc/passwd',
  'https://h/mdm/x?SFN=/mdm/y',
  'srm://[::1]/mdm/x',
  "srm://h/mdm/' OR 1=1 --",
  'srm://h/mdm/${jndi:ldap://h/x}',
  '__proto__',
  'srm://',
  '',
  `srm://h/${'a/'.repeat(500)}`,
]
const NUMBERS = [
  '0',
  '1',
  '-1',
  '2147483647',
  '2147483648',
  '-2147483649',
  '1e9',
  'NaN',
  'Infinity',
  '0x10',
  ' 7 ',
  '',
].concat(['9'.repeat(12), '9'.repeat(300), '1.5', '٣', 'true'])
const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'then',
  '$',
  'xmlns',
]
/** Text that means something to a parser, to be put anywhere. */
const TOKENS = [
  '<',
  '>',
  '</',
  '/>',
  '&',
  '&amp;',
  '&#0;',
  '&#x110000;',
  '&lol;',
  '"',
  "'",
  '=',
  '\0',
  '\r\n',
  ']]>',
  ' ',
]
  .concat([
    '<!--',
    '-->',
    '<![CDATA[',
    '<!DOCTYPE a>',
    '<!ENTITY a "b">',
    '<?xml version="1.0"?>',
    '<?a b?>',
    '\uFEFF',
  ])
  .concat([
    'xsi:nil="true"',
    'xmlns=""',
    'xmlns:srm2="x"',
    'SOAP-ENV:mustUnderstand="1"',
    'href="#a"',
    '\uFFFE',
    '😀',
  ])
  .concat(NAMES.map((name) => `<${name}>1</${name}>`))

const pick = <T>(values: readonly T[], random: Random): T => values[random(values.length)]!
const some = <T>(values: readonly T[], random: Random, most: number): T[] =>
  Array.from({ length: random(most + 1) }, () => pick(values, random))
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Messages as clients write them, with values of all kinds: SRM must answer each. */
function written(random: Random): string {
  const client = pick(Object.values(CLIENTS), random)
  const wrap = random(2) === 0 ? gfal : arc
  const surl = escaped(pick(SURLS, random)) || SURL
  const token = pick(['T', '', '../../x', `${GUID}`, 'x'.repeat(255)], random)
  const number = () => pick(NUMBERS, random)
  return pick(
    [
      () => client.ping(),
      () => client.ls(surl, random(3)),
      () => client.prepare(surl),
      () => client.status(token),
      () => client.release(token, surl),
      () =>
        wrap(
          'srmLs',
          surls(...some(SURLS, random, 5).map(escaped)) +
            ['numOfLevels', 'offset', 'count'].map((name) => tag(name, number())).join(''),
        ),
      () =>
        wrap(
          'srmPrepareToGet',
          tag(
            'arrayOfFileRequests',
            ...some(SURLS, random, 4).map((one) => tag('requestArray', tag('sourceSURL', escaped(one)))),
          ) +
            tag('desiredPinLifeTime', number()) +
            tag(
              'transferParameters',
              tag('arrayOfTransferProtocols', tags('stringArray', some(['https', 'gsiftp', ''], random, 3))),
            ),
        ),
      () =>
        wrap(
          'srmExtendFileLifeTime',
          tag('requestToken', token) + surls(surl) + tag('newPinLifeTime', number()),
        ),
      () =>
        wrap(pick(['srmAbortFiles', 'srmCheckPermission'], random), tag('requestToken', token) + surls(surl)),
      () => wrap(pick(UNSUPPORTED, random), surls(surl)),
    ],
    random,
  )()
}

/** What can be done to a message, byte by byte. */
function altered(bytes: Buffer, other: Buffer, random: Random): Buffer {
  const at = random(bytes.length + 1)
  const before = bytes.subarray(0, at)
  const after = bytes.subarray(at)
  switch (random(8)) {
    case 0:
      return before
    case 1:
      return Buffer.concat([before, after.subarray(random(60))])
    case 2:
    case 3:
      return Buffer.concat([before, Buffer.from(pick(TOKENS, random)), after])
    case 4:
      return Buffer.concat([before, Buffer.from([random(256)]), after.subarray(1)])
    case 5:
      return Buffer.concat([before, other.subarray(random(other.length))])
    case 6:
      return Buffer.concat([before, bytes.subarray(random(bytes.length + 1))])
    default:
      return Buffer.concat([before, bytes.subarray(at, at + random(200)), after])
  }
}

const inBody = (fields: string): string =>
  gfal(
    pick(Object.keys(MESSAGES), () => 2),
    fields,
  )
const lol = (levels: number): string => {
  const entities = Array.from({ length: levels }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`)
  return `<!DOCTYPE l [<!ENTITY l0 "lol">${entities.join('')}]>`
}

/** Attacks on parsers that are known by name. `isRefused`: no such message may ever be taken. */
export const ATTACKS: Record<string, { isRefused: boolean; make: (random: Random) => string | Buffer }> = {
  'billion laughs': {
    isRefused: true,
    make: (r) => gfal('srmPing', '&l9;').replace('\n', `\n${lol(1 + r(12))}`),
  },
  'an external entity': {
    isRefused: true,
    make: () =>
      gfal('srmPing', '&e;').replace('\n', '\n<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
  },
  'a parameter entity': {
    isRefused: true,
    make: () => gfal('srmPing', '').replace('\n', '\n<!DOCTYPE a [<!ENTITY % p SYSTEM "http://h/x">%p;]>'),
  },
  'a DTD within the body': { isRefused: true, make: () => inBody('<!DOCTYPE a>') },
  'an entity that nobody declared': { isRefused: true, make: () => inBody(`<a>&${'e'.repeat(50)};</a>`) },
  'a comment': { isRefused: true, make: (r) => inBody(`<!--${'-'.repeat(r(4))}>-->`) },
  'a CDATA section': { isRefused: true, make: () => inBody('<a><![CDATA[</a>]]></a>') },
  'a processing instruction': { isRefused: true, make: () => inBody('<?php x?>') },
  'deep nesting': {
    isRefused: true,
    make: (r) => inBody('<a>'.repeat(30 + r(2_000)) + '</a>'.repeat(30 + r(2_000))),
  },
  'nesting that never ends': { isRefused: true, make: (r) => inBody('<a>'.repeat(1 + r(11_000))) },
  'many elements': { isRefused: true, make: () => inBody('<a/>'.repeat(100_000)) },
  'as many elements as are read': { isRefused: false, make: () => inBody('<a/>'.repeat(11_900)) },
  'many attributes': {
    isRefused: true,
    make: (r) => inBody(`<a ${Array.from({ length: 33 + r(20_000) }, (_, n) => `a${n}=""`).join(' ')}/>`),
  },
  'many namespaces': {
    isRefused: false,
    make: () =>
      inBody(
        `<b ${Array.from({ length: 30 }, (_, n) => `xmlns:n${n}="u${n}"`).join(' ')}>${'<n29:a/>'.repeat(9_000)}</b>`,
      ),
  },
  'an attribute as long as a message': {
    isRefused: false,
    make: () => inBody(`<a b="${'c'.repeat(MEGABYTE - 2_000)}"/>`),
  },
  'an attribute that never ends': {
    isRefused: true,
    make: () => inBody(`<a b="${'c'.repeat(MEGABYTE - 2_000)}`),
  },
  'a name as long as a message': {
    isRefused: true,
    make: () => inBody(`<${'a'.repeat(MEGABYTE - 2_000)}/>`),
  },
  'a text as long as a message': {
    isRefused: false,
    make: () => inBody(`<a>${'b'.repeat(MEGABYTE - 2_000)}</a>`),
  },
  'spaces in a tag': { isRefused: false, make: () => inBody(`<a ${' '.repeat(MEGABYTE - 2_000)}/>`) },
  'equal signs in a tag': { isRefused: true, make: () => inBody(`<a ${'='.repeat(MEGABYTE - 2_000)}/>`) },
  'quotes in a tag': { isRefused: true, make: () => inBody(`<a ${`'"`.repeat(400_000)}/>`) },
  'references without end': { isRefused: true, make: () => inBody(`<a>${'&#65;'.repeat(200_000)}</a>`) },
  'as many references as are read': {
    isRefused: false,
    make: () => inBody(`<a>${'&#65;'.repeat(12_000)}</a>`),
  },
  'ends of tags': { isRefused: false, make: () => inBody(`<a>${'> '.repeat(500_000)}</a>`) },
  'begins of tags': { isRefused: true, make: () => inBody('< '.repeat(500_000)) },
  'more than a message may be': { isRefused: true, make: () => inBody(' '.repeat(MEGABYTE)) },
  'NUL bytes': { isRefused: true, make: (r) => inBody('\0'.repeat(1 + r(100))) },
  'only NUL bytes': { isRefused: true, make: (r) => Buffer.alloc(1 + r(10_000)) },
  'UTF-16': { isRefused: true, make: () => Buffer.from(`\uFEFF${gfal('srmPing', '')}`, 'utf16le') },
  'UTF-16 that says so': {
    isRefused: true,
    make: () => gfal('srmPing', '').replace('UTF-8', 'UTF-16'),
  },
  'UTF-7': { isRefused: true, make: () => `<?xml version="1.0" encoding="UTF-7"?>+ADw-a/+AD4-` },
  'bytes that are no UTF-8': {
    isRefused: true,
    make: (r) => Buffer.from([0x3c, 0x61, 0x80 + r(128), 0xc0, 0x3e]),
  },
  noise: { isRefused: true, make: (r) => Buffer.from(Array.from({ length: r(500) }, () => r(256))) },
  'a wrong namespace of SOAP': {
    isRefused: true,
    make: () => gfal('srmPing', '').replace('soap/envelope', '2003/05/soap-envelope'),
  },
  'a wrong namespace of SRM': {
    isRefused: true,
    make: () => gfal('srmPing', '').replace('srm.lbl.gov', 'srm.lbl'),
  },
  'a namespace bound again within': {
    isRefused: true,
    make: () => gfal('srmPing', '').replace('<srm2:srmPing>', '<srm2:srmPing xmlns:srm2="u">'),
  },
  'two operations': {
    isRefused: true,
    make: () => gfal('srmPing', '').replace('</SOAP-ENV:Body>', '<srm2:srmRm/></SOAP-ENV:Body>'),
  },
  'two bodies': {
    isRefused: true,
    make: () => gfal('srmPing', '').replace('</SOAP-ENV:Envelope>', '<SOAP-ENV:Body/></SOAP-ENV:Envelope>'),
  },
  'names of JavaScript as fields': {
    isRefused: false,
    make: (r) =>
      gfal(
        'srmLs',
        `${some(NAMES, r, 5)
          .map((name) => `<${name}>x</${name}>`)
          .join('')}${surls(SURL)}`,
      ),
  },
  'a name of JavaScript as operation': { isRefused: true, make: (r) => gfal(pick(NAMES, r), '') },
  'fields twice': { isRefused: false, make: () => gfal('srmLs', surls(SURL) + surls(SURL)) },
  'many SURLs': {
    isRefused: false,
    make: (r) => gfal('srmLs', surls(...Array<string>(r(2_000)).fill(SURL))),
  },
  'a message within a message': {
    isRefused: false,
    make: () => gfal('srmLs', gfal('srmPing', '').split('\n')[1]!),
  },
  'a fault': {
    isRefused: true,
    make: () =>
      gfal('srmPing', '').replace(
        /<srm2:.*srmPing>/,
        '<SOAP-ENV:Fault><faultstring>MDM_DENIED: x</faultstring></SOAP-ENV:Fault>',
      ),
  },
}

/** The next message: whole, altered, or one of the attacks; long ones are rare. */
export function nextMessage(random: Random): FuzzMessage {
  const turn = random(100)
  if (turn < 10) return { kind: 'whole', body: Buffer.from(written(random)), isWhole: true }
  if (turn < 30) {
    const names = Object.keys(ATTACKS)
    for (;;) {
      const kind = pick(names, random)
      const { isRefused, make } = ATTACKS[kind]!
      if (LONG.has(kind) && random(40) !== 0) continue
      return { kind, isRefused, body: Buffer.from(make(random) as string) }
    }
  }
  let body = Buffer.from(written(random))
  for (let times = 1 + random(4); times > 0; times--)
    body = altered(body, Buffer.from(written(random)), random) as never
  return { kind: 'altered', body }
}

/** Attacks whose messages take milliseconds each. */
const LONG = new Set(
  Object.keys(ATTACKS).filter((kind) => Buffer.from(ATTACKS[kind]!.make(() => 0) as string).length > 50_000),
)
