import { randomBytes, randomInt } from 'node:crypto'
import { combineSecret, isThreshold, type ShamirShare, splitSecret } from '@mdm/core/crypto/shamir'
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { evaluate, inverse, interpolate, multiply, padSecret, unpadSecret } from './gf256.ts'

const source = resolve(import.meta.dirname, '../../../packages/core/src')

/** Any m of the shares, in any order. */
function pick(shares: readonly ShamirShare[], m: number): ShamirShare[] {
  const left = [...shares]
  return Array.from({ length: m }, () => left.splice(randomInt(left.length), 1)[0]!)
}

t.test('the reference arithmetic is a field', (t) => {
  for (let a = 0; a < 256; a++) {
    if (a !== 0 && multiply(a, inverse(a)) !== 1) t.fail(`inverse of ${a}`)
    for (let b = 0; b < 256; b++) {
      const c = (a * 7 + b * 13) & 255
      if (multiply(a, b) !== multiply(b, a)) t.fail(`${a} * ${b} commutes`)
      if (multiply(a, multiply(b, c)) !== multiply(multiply(a, b), c)) t.fail(`${a} * ${b} * ${c} associates`)
      if (multiply(a, b ^ c) !== (multiply(a, b) ^ multiply(a, c))) t.fail(`${a} * (${b} + ${c}) distributes`)
    }
  }
  t.pass('65,536 pairs')
  t.end()
})

t.test('any m of n shares give the secret back, for all small m and n and for edge secrets', (t) => {
  const edges = [
    Buffer.alloc(32),
    Buffer.alloc(32, 0xff),
    Buffer.alloc(32, 1),
    Buffer.concat([Buffer.alloc(31), Buffer.from([1])]),
    Buffer.concat([Buffer.from([0, 0x80]), randomBytes(30)]),
  ]
  let trips = 0
  for (let n = 3; n <= 8; n++) {
    for (let m = 2; m < n; m++) {
      for (const secret of [...edges, randomBytes(32)]) {
        const shares = splitSecret(secret, m, n)
        for (let i = 0; i < 8; i++, trips++) {
          if (!combineSecret(pick(shares, m)).equals(secret)) t.fail(`${m} of ${n}`)
        }
      }
    }
  }
  const shares = splitSecret(edges[4]!, 16, 32)
  t.ok(combineSecret(pick(shares, 16)).equals(edges[4]!), '16 of 32')
  t.ok(trips >= 1000, `${trips} round trips`)
  t.end()
})

t.test('the library and an independent reference read each other', (t) => {
  for (let i = 0; i < 40; i++) {
    const n = randomInt(3, 9)
    const m = randomInt(2, n)
    const secret = randomBytes(32)
    const some = pick(splitSecret(secret, m, n), m)
    const padded = Array.from({ length: 80 }, (_, at) =>
      interpolate(some.map((s) => [s.x, s.payload[at]!] as const)),
    )
    t.same(padded, padSecret(secret), `the reference reads ${m} of ${n}`)
    t.ok(unpadSecret(padded).equals(secret))
    const polynomials = padSecret(secret).map((byte) => [byte, ...randomBytes(m - 1)])
    const made = Array.from({ length: n }, (_, j) => ({
      x: j + 1,
      payload: Buffer.from(polynomials.map((p) => evaluate(p, j + 1))),
    }))
    t.ok(combineSecret(pick(made, m)).equals(secret), `the library reads ${m} of ${n}`)
  }
  t.end()
})

t.test('one share less than the threshold is independent of the secret', (t) => {
  const counts = new Array<number>(256).fill(0)
  const runs = 150
  for (let i = 0; i < runs; i++)
    for (const byte of splitSecret(Buffer.alloc(32), 2, 3)[randomInt(3)]!.payload) counts[byte]!++
  const expected = (runs * 80) / 256
  const chiSquare = counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0)
  t.ok(chiSquare < 400, `chi-square ${chiSquare.toFixed(0)} on 255 degrees of freedom`)
  t.end()
})

t.test('W1: a threshold is at least 2, below n, and n at most 32', (t) => {
  for (const [m, n] of [
    [2, 3],
    [3, 5],
    [31, 32],
  ] as const)
    t.ok(isThreshold(m, n), `${m} of ${n}`)
  for (const [m, n] of [
    [1, 3],
    [0, 3],
    [3, 3],
    [4, 3],
    [2, 33],
    [2.5, 4],
    [2, Infinity],
    [NaN, 3],
  ] as const) {
    t.notOk(isThreshold(m, n), `${m} of ${n}`)
    t.throws(() => splitSecret(randomBytes(32), m, n), { code: 'MDM_INTERNAL' })
  }
  t.end()
})

t.test(
  'W2: only 32 bytes are split, no randomness of ours is passed, and one file imports the library, as its ESM build',
  (t) => {
    for (const length of [0, 16, 31, 33])
      t.throws(() => splitSecret(randomBytes(length), 2, 3), { code: 'MDM_INTERNAL' })
    const files = readdirSync(resolve(source, '..', '..'), { recursive: true, encoding: 'utf8' }).filter(
      (f) => f.endsWith('.ts') && f.includes('src/') && !f.includes('node_modules'),
    )
    const importers = files.filter((f) =>
      /from 'shamirs-secret-sharing'/.test(readFileSync(resolve(source, '..', '..', f), 'utf8')),
    )
    t.same(importers, ['core/src/crypto/shamir.ts'])
    t.notMatch(readFileSync(resolve(source, 'crypto/shamir.ts'), 'utf8'), /random\s*:/)
    t.match(import.meta.resolve('shamirs-secret-sharing'), /\/shamirs-secret-sharing\/index\.js$/)
    t.end()
  },
)

t.test('W3: what a failed split leaves in the library never reaches the next shares', (t) => {
  const real = globalThis.crypto.getRandomValues
  const failing = (from: number, times: number) => {
    let calls = 0
    Object.defineProperty(globalThis.crypto, 'getRandomValues', {
      configurable: true,
      value: (array: Uint8Array) => {
        calls++
        if (calls >= from && calls < from + times) throw new Error('no randomness')
        return real.call(globalThis.crypto, array as Uint8Array<ArrayBuffer>)
      },
    })
  }
  t.teardown(() => delete (globalThis.crypto as { getRandomValues?: unknown }).getRandomValues)
  const first = Buffer.alloc(32, 0xaa)
  failing(40, 1)
  t.ok(
    combineSecret(pick(splitSecret(first, 2, 3), 2)).equals(first),
    'one failure half way: tried again, and right',
  )
  failing(40, Infinity)
  t.throws(() => splitSecret(first, 2, 3), { code: 'MDM_INTERNAL' }, 'no randomness at all: no shares')
  failing(Infinity, 0)
  for (let i = 0; i < 3; i++) {
    const next = randomBytes(32)
    const shares = splitSecret(next, 2, 3)
    t.ok(combineSecret(pick(shares, 2)).equals(next), 'the next split is right')
    t.ok(shares.every((s) => s.payload.length === 80))
  }
  t.end()
})

t.test('W4: shares that are too few, twice the same, at x = 0 or of another length are not combined', (t) => {
  const [a, b] = splitSecret(randomBytes(32), 2, 3) as [ShamirShare, ShamirShare]
  // What an attacker sends to have a key of his own come out, where nothing looks at x.
  const chosen = Buffer.from(padSecret(randomBytes(32)))
  const bad: [string, ShamirShare[]][] = [
    ['x = 0 with a chosen key', [a, b, { x: 0, payload: chosen }]],
    [
      'a chosen key twice at one x',
      [
        { x: 1, payload: chosen },
        { x: 1, payload: chosen },
      ],
    ],
    ['none', []],
    ['one', [a]],
    ['the same twice', [a, a]],
    ['two with one x', [a, { x: a.x, payload: b.payload }]],
    ['x = 0', [a, { x: 0, payload: b.payload }]],
    ['x = 33', [a, { x: 33, payload: b.payload }]],
    ['x = 1.5', [a, { x: 1.5, payload: b.payload }]],
    ['short', [a, { x: b.x, payload: b.payload.subarray(1) }]],
    ['empty', [a, { x: b.x, payload: Buffer.alloc(0) }]],
    ['1 MiB', [a, { x: b.x, payload: Buffer.alloc(1 << 20) }]],
  ]
  for (const [name, shares] of bad) t.throws(() => combineSecret(shares), { code: 'MDM_BAD_SHARE' }, name)
  t.end()
})
