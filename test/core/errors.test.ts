import t from 'tap'
import { ERRORS, isErrorCode, MdmError } from '@mdm/core/errors'

t.test('every error has a status, a documented exit code, a sentence and a next step', async (t) => {
  for (const [code, e] of Object.entries(ERRORS)) {
    t.match(code, /^MDM_[A-Z_]+$/)
    t.ok(e.status >= 200 && e.status < 600, `${code}: status`)
    t.ok(e.exitCode >= 1 && e.exitCode <= 12, `${code}: exit code`)
    t.ok(e.what.length > 10 && e.next.length > 10, `${code}: words`)
  }
})

t.test('an error without a message says what its code means', async (t) => {
  const error = new MdmError('MDM_NOT_FOUND')
  t.equal(error.message, ERRORS.MDM_NOT_FOUND.what)
  t.equal(error.exitCode, 3)
  t.equal(error.status, 404)
})

t.test('where a case knows better what to do, its word comes before that of the table', async (t) => {
  t.equal(new MdmError('MDM_CONFIG').next, ERRORS.MDM_CONFIG.next)
  t.equal(new MdmError('MDM_CONFIG', 'no roster', { next: 'mdm config add' }).next, 'mdm config add')
})

t.test('only codes of the table are codes, whatever an object inherits', async (t) => {
  t.ok(isErrorCode('MDM_DENIED'))
  for (const text of ['toString', '__proto__', 'MDM_MADE_UP', 7, undefined]) t.notOk(isErrorCode(text))
})
