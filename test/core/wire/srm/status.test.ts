import t from 'tap'
import { ERRORS, type ErrorCode } from '@mdm/core/errors'
import { codeOf, explain, refusal, SrmStatus, statusOf } from '@mdm/core/wire/srm/status'

t.test('every code of the table is a refusal of SRM, explained by the table alone', async (t) => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    t.ok(SrmStatus.options.includes(statusOf(code)))
    t.not(statusOf(code), 'SRM_SUCCESS')
    t.equal(explain(code), `${code}: ${ERRORS[code].what}`)
    t.equal(codeOf(refusal(code)), code, 'and comes back as the same code')
  }
})

t.test('what does not exist and what a caller may not know of are one and the same', async (t) => {
  t.equal(statusOf('MDM_NOT_FOUND'), 'SRM_INVALID_PATH')
  t.not(statusOf('MDM_DENIED'), statusOf('MDM_NOT_FOUND'))
})

t.test('an explanation cannot claim what its status does not mean', async (t) => {
  t.equal(codeOf({ statusCode: 'SRM_INVALID_PATH', explanation: 'MDM_DENIED: x' }), 'MDM_NOT_FOUND')
  t.equal(codeOf({ statusCode: 'SRM_INVALID_PATH', explanation: 'no such file' }), 'MDM_NOT_FOUND')
  t.equal(codeOf({ statusCode: 'SRM_FAILURE' }), 'MDM_UNREACHABLE')
  t.equal(codeOf({ statusCode: 'SRM_AUTHORIZATION_FAILURE' }), 'MDM_DENIED')
})
