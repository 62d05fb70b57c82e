import t from 'tap'
import { leaves, type LimitedOperation, type Limits } from '@mdm/core/identity/limits'
import { narrow, readPolicy, writePolicy } from '@mdm/core/identity/proxy/policy'
import { newGuid } from '@mdm/core/names'
import type { AclObject, Scope } from '@mdm/core/wire/common'
import { generator } from '../../../fixtures/random.ts'

const OBJECTS: readonly AclObject[] = [
  ...(['file', 'key', 'ban', 'group:study', 'metadata:patient', 'metadata:image'] as const),
  ...(['metadata:medical', 'metadata:dicom', 'metadata:protocol'] as const),
]
const RIGHTS = ['list', 'read', 'basic', 'research', 'admin', 'write', '']
const guids = Array.from({ length: 6 }, () => newGuid())
const SCOPES: readonly Scope[] = [...guids, 'site']

/** All that limits can ever leave, written out. */
function allowed(limits: Limits): Set<string> {
  const left = new Set<string>()
  for (const guid of limits.guids) {
    left.add(`${guid} file list`)
    if (limits.operations.includes('read-file')) left.add(`${guid} file read`)
    if (limits.operations.includes('read-key')) left.add(`${guid} key read`)
  }
  return left
}

function asked(limits: Limits | undefined): Set<string> {
  const left = new Set<string>()
  for (const scope of SCOPES)
    for (const object of OBJECTS)
      for (const right of RIGHTS)
        if (leaves(limits, scope, object, right)) left.add(`${scope} ${object} ${right}`)
  return left
}

const random = generator(7)
const some = <T>(all: readonly T[]): T[] => {
  const chosen = all.filter(() => random(2) === 0)
  return chosen.length > 0 ? chosen : [all[random(all.length)]!]
}
const limits = (): Limits => ({
  guids: some(guids),
  operations: some<LimitedOperation>(['read-file', 'read-key']),
})

t.test('what 10,000 random chains leave together is what each of their limits leaves', async (t) => {
  let nothing = 0
  let wrong = 0
  for (let i = 0; i < 10_000; i++) {
    const chain = Array.from({ length: 1 + (i % 3) }, limits)
    let left: Limits | undefined
    let ended = false
    for (const one of chain) {
      const next = narrow(left, one)
      ended ||= next === undefined
      if (next === undefined) break
      left = next
    }
    const sets = chain.map(allowed)
    const common = [...sets[0]!].filter((right) => sets.every((set) => set.has(right)))
    const releases = common.filter((right) => right.endsWith(' read'))
    // Where nothing can be read, nothing is left at all: the proxy is refused.
    if (ended) nothing++
    if (ended !== (releases.length === 0)) wrong++
    else if (!ended && asked(left).symmetricDifference(new Set(common)).size > 0) wrong++
  }
  t.equal(wrong, 0)
  t.ok(nothing > 500, `${nothing} chains left nothing`)
})

t.test('who has no limits keeps all, and limits never give a right on the site or on metadata', async (t) => {
  t.equal(asked(undefined).size, SCOPES.length * OBJECTS.length * RIGHTS.length)
  const all: Limits = { guids, operations: ['read-file', 'read-key'] }
  for (const right of asked(all)) t.match(right, /^[0-9a-f-]{36} (file list|file read|key read)$/)
})

t.test('a policy is read as it was written, and nothing else passes for one', async (t) => {
  const many = Array.from({ length: 1_000 }, limits)
  t.strictSame(
    many.map((one) => readPolicy(writePolicy(one))),
    many,
  )
  const good = { guids: [guids[0]], operations: ['read-file'] }
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  const bad: Buffer[] = [
    ...[{}, [], null, 'x', { ...good, guids: [] }, { ...good, operations: [] }].map(json),
    ...[
      { ...good, guids: 'all' },
      { ...good, guids: [guids[0]!.toUpperCase()] },
    ].map(json),
    ...[
      { ...good, operations: ['write'] },
      { ...good, more: 1 },
    ].map(json),
    json({ ...good, guids: Array.from({ length: 501 }, () => guids[0]) }),
    ...[Buffer.alloc(0), Buffer.from([0xff, 0xfe]), Buffer.concat([json(good), Buffer.from('x')])],
  ]
  for (const bytes of bad) t.equal(readPolicy(bytes), undefined, bytes.toString('latin1').slice(0, 60))
})
