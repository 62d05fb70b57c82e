import t from 'tap'
import { dnFromDer, parseDn } from '@mdm/core/identity/dn'
import { name, type Part, type StringType } from './certificates.ts'

/**
 * A name as plain data: parts from the root down, each a set of [type, words]. Two names are the same exactly if this data
 * is; everything else about how they are written must not matter. That is the oracle: it shares nothing with our code.
 */
type Plain = [type: string, words: string[]][][]

const TYPES = ['CN', 'O', 'OU', 'L', 'DC', 'UID', 'emailAddress']
const WORDS = [
  'alice',
  'martin',
  'hôpital',
  'zoé',
  'x',
  'o=y',
  'a/b',
  'a,b',
  'a+b',
  '#1',
  'ünïts',
  'b\\c',
  '"q"',
  'cn=eve',
  '1',
  '<z>',
]

t.test('of 2,000 generated pairs none is falsely equal and none falsely different', async (t) => {
  const random = generator(20_261_123)
  let same = 0
  let different = 0
  for (let i = 0; i < 1000; i++) {
    const plain = plainName(random)
    const first = dnFromDer(written(plain, random))
    if (first !== dnFromDer(written(plain, random))) t.fail(`falsely different: ${JSON.stringify(plain)}`)
    if (first !== parseDn(typed(plain, random)))
      t.fail(`falsely different when typed: ${JSON.stringify(plain)}`)
    same++
    const other = altered(plain, random)
    if (key(other) === key(plain)) continue
    if (first === dnFromDer(written(other, random)))
      t.fail(`falsely equal: ${JSON.stringify([plain, other])}`)
    different++
  }
  t.equal(same, 1000)
  t.ok(different > 800, `${different} pairs differ`)
})

function plainName(random: Random): Plain {
  return Array.from({ length: 1 + random(4) }, () => {
    const types = new Set(Array.from({ length: random(4) === 0 ? 2 : 1 }, () => pick(TYPES, random)))
    return [...types].map((type) => [type, Array.from({ length: 1 + random(3) }, () => pick(WORDS, random))])
  })
}

/** The same name in other bytes: string type, case, composition, spaces, order within a part. */
function written(plain: Plain, random: Random): Buffer {
  return name(
    ...plain.map((part) =>
      shuffled(part, random).map(([type, words]): Part => {
        const value = dressed(words, random)
        const types: StringType[] = /^[\x20-\x7e]*$/.test(value)
          ? ['utf8', 'bmp', 'printable', 'ia5']
          : ['utf8', 'bmp']
        return [type, value, pick(types, random)]
      }),
    ),
  )
}

/** The same name as RFC 4514 text, escaped by another way than ours: each reserved byte in hex. */
function typed(plain: Plain, random: Random): string {
  const escaped = (value: string) =>
    value.replace(/["+,;<>\\#= ]/g, (c) => (c === ' ' ? c : `\\${c.charCodeAt(0).toString(16)}`))
  return plain
    .toReversed()
    .map((part) =>
      shuffled(part, random)
        .map(([type, words]) => `${type}=${escaped(dressed(words, random))}`)
        .join('+'),
    )
    .join(',')
}

function dressed(words: string[], random: Random): string {
  const value = words
    .map((word) => pick([word, word.toUpperCase(), word.normalize('NFD')], random))
    .join(pick([' ', '  ', '\u00a0'], random))
  return pick([value, ` ${value}`, `${value} `], random)
}

/** Another name that looks much like it. */
function altered(plain: Plain, random: Random): Plain {
  const copy = structuredClone(plain)
  const at = random(copy.length)
  const [type, words] = copy[at]![0]!
  switch (random(6)) {
    case 0:
      return copy.toReversed()
    case 1:
      return copy.length > 1 ? [[...copy[0]!, ...copy[1]!], ...copy.slice(2)] : [...copy, ...copy]
    case 2:
      return copy.flatMap((part) => part.map((attribute) => [attribute]))
    case 3:
      copy[at]![0] = [type, [...words, pick(WORDS, random)]]
      return copy
    case 4:
      copy[at]![0] = [pick(TYPES, random), words]
      return copy
    default:
      // What RFC 4514 and the slash form would show alike: a boundary pulled into a value.
      return copy.length > 1
        ? [
            [
              [
                type,
                [
                  `${words.join(' ')}${pick([',', '/', '+'], random)}${copy[1]![0]![0]}=${copy[1]![0]![1].join(' ')}`,
                ],
              ],
            ],
            ...copy.slice(2),
          ]
        : copy.slice(1).concat([[[type, words.map((w) => `${w}.`)]]])
  }
}

function key(plain: Plain): string {
  return JSON.stringify(plain.map((part) => part.map((a) => JSON.stringify([a[0], a[1].join(' ')])).sort()))
}

type Random = (below: number) => number

function generator(seed: number): Random {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[random(from.length)]!
}

function shuffled<T>(from: readonly T[], random: Random): T[] {
  return random(2) === 0 ? [...from] : from.toReversed()
}
