import { ERRORS, MdmError, type ErrorCode } from '@mdm/core/errors'
import t from 'tap'
import { failuresOf } from '../../packages/cli/src/failures.ts'
import { formatNote, reportOf } from '../../packages/cli/src/report-error.ts'

t.test('every code of the table has its exit code, message and next step', async (t) => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const { exitCode, note } = reportOf(new MdmError(code))
    t.equal(exitCode, ERRORS[code].exitCode, code)
    t.match(note, { code, message: ERRORS[code].what, next: ERRORS[code].next })
    t.ok(formatNote(note!).split('\n').length === 4, 'three lines')
  }
})

t.test('what we did not foresee is our fault, exit code 1, without a stack', async (t) => {
  const { exitCode, note } = reportOf(new TypeError('x is not a function'))
  t.equal(exitCode, 1)
  t.equal(note?.code, 'MDM_INTERNAL')
  t.notMatch(formatNote(note!), /at .*\.ts/)
  t.equal(reportOf('a thrown string').exitCode, 1)
})

t.test('a wrong command line is usage, exit code 2, without oclif’s wrapping', async (t) => {
  const oclif = Object.assign(
    new Error('Parsing --limit \n\tExpected an integer\nSee more help with --help'),
    { oclif: { exit: 2 } },
  )
  t.match(reportOf(oclif), { exitCode: 2, note: { code: 'MDM_USAGE', message: 'Expected an integer' } })
})

t.test('a file that cannot be written is not our fault', async (t) => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    syscall: 'write',
  })
  t.match(reportOf(full), { exitCode: 2, note: { code: 'MDM_FILE', message: /ENOSPC/ } })
})

t.test('a closed pipe is quiet', async (t) => {
  t.strictSame(reportOf(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' })), {
    exitCode: 141,
  })
})

t.test('what a server told names the request and the server, so that its operator can find it', async (t) => {
  const requestId = '0af7651916cd43dd8448eb211c80319c'
  const { note } = reportOf(new MdmError('MDM_DENIED', 'x', { details: { requestId, server: 'the site' } }))
  t.match(note, { requestId, server: 'the site' })
  t.match(
    formatNote(note!),
    /^error: x\n code: MDM_DENIED\n next: .+\n request: 0af76519[0-9a-f]{24} at the site\n$/,
  )
  for (const details of [{}, { server: 'the site' }, { requestId: 7 }, { requestId: '\u001b[2J' }])
    t.notMatch(formatNote(reportOf(new MdmError('MDM_DENIED', 'x', { details })).note!), 'request:')
})

t.test('several things go on when one fails, and the exit code says so', async (t) => {
  const never = new AbortController().signal
  const work = async (n: number) => {
    if (n < 0) throw new MdmError(n === -1 ? 'MDM_NOT_FOUND' : 'MDM_DENIED')
    return n
  }
  const run = (things: number[]) => failuresOf(things, String, work, never)
  const before = process.exitCode
  t.teardown(() => (process.exitCode = before))

  const partial = await run([1, -1, 2])
  t.strictSame(partial.done, [1, 2])
  t.match(partial.failures.listed, [{ name: '-1', code: 'MDM_NOT_FOUND' }])
  partial.failures.throwOrSetExitCode()
  t.equal(process.exitCode, 10, 'a part is done')

  const all = await run([-1, -1])
  t.throws(() => all.failures.throwOrSetExitCode(), { code: 'MDM_NOT_FOUND' }, 'all failed alike')
  process.exitCode = undefined
  ;(await run([-1, -2])).failures.throwOrSetExitCode()
  t.equal(process.exitCode, 10, 'all failed, each for its own reason')
  await t.rejects(run([-2]), { code: 'MDM_DENIED' }, 'one thing fails as itself')
  process.exitCode = undefined
  ;(await run([1, 2])).failures.throwOrSetExitCode()
  t.equal(process.exitCode, undefined)
  process.exitCode = before
})
