import t from 'tap'
import { retrying, type Retry } from '@mdm/core/access/retry'
import { ERRORS, MdmError, type ErrorCode } from '@mdm/core/errors'

const CODES = Object.keys(ERRORS) as ErrorCode[]

/** Work that fails `times` times with one code and then answers. */
function failing(code: ErrorCode, times: number) {
  let calls = 0
  const work = async () => {
    if (++calls <= times) throw new MdmError(code)
    return 'done'
  }
  return { work, calls: () => calls }
}

t.test(
  'once bytes have come, exactly the codes that the error table calls passing are tried again',
  async (t) => {
    for (const code of CODES) {
      const { work, calls } = failing(code, 1)
      const retries: Retry[] = []
      const abort = new AbortController()
      const waited = retrying(work, {
        retries: 1,
        received: () => true,
        signal: abort.signal,
        onRetry: (retry) => {
          retries.push(retry)
          abort.abort(new Error('waits'))
        },
      })
      if (ERRORS[code].retry) await t.rejects(waited, { message: 'waits' }, code)
      else await t.rejects(waited, { code }, code)
      t.equal(retries.length, ERRORS[code].retry ? 1 : 0, code)
      t.equal(calls(), 1)
    }
  },
)

t.test(
  'before a byte came, only a site that is away, has its database away, no room or says "later" is asked again',
  async (t) => {
    const again: ErrorCode[] = []
    for (const code of CODES) {
      const abort = new AbortController()
      const onRetry = () => {
        again.push(code)
        abort.abort(new Error('waits'))
      }
      const o = { retries: 1, received: () => false, signal: abort.signal, onRetry }
      await t.rejects(retrying(failing(code, 1).work, o))
    }
    t.same(again, ['MDM_UNREACHABLE', 'MDM_SPOOL_FULL', 'MDM_LIMIT', 'MDM_STORE'])
  },
)

t.test(
  'a volume that is larger than the whole spool is not asked for again, one that waits for room is',
  async (t) => {
    for (const [neededBytes, again] of [
      [101, false],
      [100, true],
    ] as const) {
      let calls = 0
      const work = async () => {
        calls++
        throw new MdmError('MDM_SPOOL_FULL', undefined, { details: { neededBytes, limitBytes: 100 } })
      }
      const o = { retries: 1, received: () => false, wait: async () => undefined }
      await t.rejects(retrying(work, o), { code: 'MDM_SPOOL_FULL' })
      t.equal(calls, again ? 2 : 1, `${neededBytes} of 100 bytes`)
    }
  },
)

t.test(
  'key servers that are too few because their databases are away, or as they have just started, are asked again',
  async (t) => {
    for (const [codes, again] of [
      [['MDM_STORE', 'MDM_STORE'], true],
      [['MDM_UNREACHABLE', 'MDM_STORE'], true],
      [['MDM_UNREACHABLE', 'MDM_CATCHING_UP'], true],
      [['MDM_UNREACHABLE', 'MDM_BAD_SHARE'], false],
    ] as const) {
      let calls = 0
      const work = async () => {
        calls++
        const faults = codes.map((code) => ({ server: 'a', code }))
        throw new MdmError('MDM_BELOW_THRESHOLD', undefined, { details: { faults } })
      }
      const o = { retries: 1, received: () => false, wait: async () => undefined }
      await t.rejects(retrying(work, o), { code: 'MDM_BELOW_THRESHOLD' })
      t.equal(calls, again ? 2 : 1, codes.join(' '))
    }
  },
)

t.test('waits grow from 1 to 8 s, less up to half at random, and attempts end', async (t) => {
  for (const [random, expected] of [
    [0, [1_000, 2_000, 4_000, 8_000, 8_000]],
    [1, [500, 1_000, 2_000, 4_000, 4_000]],
  ] as const) {
    const { work, calls } = failing('MDM_UNREACHABLE', 99)
    const waits: number[] = []
    const onRetry = (retry: Retry) => void waits.push(retry.waitMs)
    await t.rejects(
      retrying(work, {
        retries: 5,
        received: () => false,
        onRetry,
        random: () => random,
        wait: async () => {},
      }),
      { code: 'MDM_UNREACHABLE' },
    )
    t.same(waits, expected)
    t.equal(calls(), 6)
  }
})

t.test('without retries the first failure is the last', async (t) => {
  const { work, calls } = failing('MDM_UNREACHABLE', 1)
  await t.rejects(retrying(work, { retries: 0, received: () => true }), { code: 'MDM_UNREACHABLE' })
  t.equal(calls(), 1)
})

t.test('a success after failures is a success', async (t) => {
  const { work, calls } = failing('MDM_UNREACHABLE', 2)
  t.equal(await retrying(work, { retries: 4, received: () => false, wait: async () => {} }), 'done')
  t.equal(calls(), 3)
})
