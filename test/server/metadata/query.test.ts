import t from 'tap'
import { grant, revoke } from '../../../packages/core/src/access/acl.ts'
import { metadataOf, query } from '../../../packages/core/src/access/metadata.ts'
import type { Preset } from '../../../packages/core/src/acl/presets.ts'
import type { Guid } from '../../../packages/core/src/names.ts'
import { COLUMNS } from '../../../packages/server/src/metadata/column-rights.ts'
import { registerAll, startSiteGrid, type User } from '../site-grid.ts'

const OPERATORS = ['=', '!=', '<', '<=', '>', '>='] as const

t.test('metadata', async (t) => {
  const grid = await startSiteGrid(t, {
    series: [
      { rows: 4, patient: { name: 'FIRST^ANN', id: 'P1', birthDate: '19500101', sex: 'F' } },
      { rows: 6, patient: { name: 'SECOND^BOB', id: 'P2', birthDate: '19600101', sex: 'M' } },
      { rows: 8, patient: { name: "O'THIRD^CYD", id: 'P1' }, modality: 'MR' },
    ],
  })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const { rows } = await query(admin, 'rows>0')
  const guidOf = (rowsOfIt: number) => rows.find((row) => row.rows === rowsOfIt)!.guid as Guid
  const [first, second, third] = [guidOf(4), guidOf(6), guidOf(8)]
  const principal = async (user: User) => {
    const { dn, issuer } = (await grid.as(user)).credential.identity
    return { kind: 'user', dn, issuer } as const
  }
  const give = async (user: User, preset: Preset, ...guids: Guid[]) => {
    for (const guid of guids) await grant(admin, guid, { to: await principal(user), preset, versions: 'all' })
  }
  const guids = async (user: User, expr: string) =>
    (await query(await grid.as(user), expr)).rows.map((row) => row.guid)
  const sorted = (...of: Guid[]) => of.toSorted()

  await t.test('every operator compares numbers as numbers, dates as days, text as text', async (t) => {
    const cases: [string, Guid[]][] = [
      ['rows=6', [second]],
      ['rows!=6', [first, third]],
      ['rows<6', [first]],
      ['rows<=6', [first, second]],
      ['rows>6', [third]],
      ['rows>=6', [second, third]],
      ['image.rows>=6 and modality=CT', [second]],
      ['birth_date<1955-06-01', [first]],
      ['birth_date>=19550601', [second]],
      ['birth_date!=1950-01-01', [second]],
      ['patient_name="O\'THIRD^CYD"', [third]],
      ["patient_name='O''THIRD^CYD'", [third]],
      ['patient_name=FIRST^ANN', [first]],
      ['source_patient_id=P1', [first, third]],
      ['modality=XX', []],
      ["patient_name='x'' or 1=1 --'", []],
    ]
    for (const [expr, expected] of cases) t.strictSame(await guids('admin', expr), sorted(...expected), expr)
    const { patient_id: pseudonym } = (await query(admin, 'rows=4')).rows[0]!
    t.strictSame(
      await guids('admin', `patient_id=${pseudonym}`),
      sorted(first, third),
      'the pseudonym relates a patient',
    )
  })

  await t.test('rows come by GUID, and no more than the limit', async (t) => {
    t.strictSame(await guids('admin', 'rows>0'), sorted(first, second, third))
    t.strictSame(
      (await query(admin, 'rows>0', { limit: 2 })).rows.map((row) => row.guid),
      sorted(first, second, third).slice(0, 2),
    )
  })

  await t.test('without any right a column, known or not, is answered with one text', async (t) => {
    for (const user of ['stranger', 'backup'] as const) {
      if (user === 'backup') await give('backup', 'replicate', first)
      const session = await grid.as(user)
      const unknown = await refusalOf(query(session, 'zzzzzzzz=1'))
      for (const { table, column } of COLUMNS) {
        for (const name of [column, `${table}.${column}`]) {
          const refusal = await refusalOf(query(session, `${name}=1`))
          t.strictSame(
            refusal,
            { ...unknown, message: unknown.message.replace('zzzzzzzz', name) },
            `${user} ${name}`,
          )
        }
      }
    }
  })

  await t.test(
    'a forbidden column is the same whatever it holds, with every operator and any type of value',
    async (t) => {
      await give('scientist', 'process', first, second)
      const scientist = await grid.as('scientist')
      for (const operator of OPERATORS) {
        const answers = []
        for (const value of ['FIRST^ANN', 'NOBODY', '1', '1950-01-01', "''"]) {
          for (const expr of [
            `patient_name${operator}${value}`,
            `birth_date${operator}${value}`,
            `instances${operator}${value}`,
          ]) {
            answers.push((await refusalOf(query(scientist, expr))).code)
            answers.push((await refusalOf(query(scientist, `rows>0 and ${expr}`))).code)
          }
        }
        t.strictSame([...new Set(answers)], ['MDM_QUERY'], operator)
      }
      const combined = await refusalOf(query(scientist, 'patient_name=FIRST^ANN and zzz=1'))
      t.match(combined.details, { position: 1 }, 'the first column is refused first, be it forbidden')
      t.match(
        (await refusalOf(query(scientist, 'zzz=1 and patient_name=FIRST^ANN'))).details,
        { position: 1 },
        'or unknown',
      )
    },
  )

  await t.test('process gives geometry and modality, and names what it withholds', async (t) => {
    const { rows, withheld } = await query(await grid.as('scientist'), 'rows>=4')
    t.strictSame(
      rows.map((row) => row.guid),
      sorted(first, second),
    )
    for (const row of rows) t.notMatch(JSON.stringify(row), /FIRST|SECOND|P1|P2|1950|p0_/)
    t.match(rows[0], { modality: 'CT', columns: 8, version: 1 })
    t.ok(withheld.includes('patient.patient_name') && withheld.includes('dicom.study_uid'))
    t.notOk(withheld.includes('image.rows') || withheld.includes('medical.modality'))
  })

  await t.test('rights differ per volume: a filter finds only where its column may be read', async (t) => {
    await give('physician', 'clinical', first)
    await give('physician', 'process', second)
    t.strictSame(await guids('physician', 'rows>0'), sorted(first, second))
    t.strictSame(
      await guids('physician', "patient_name!='NOBODY'"),
      [first],
      'second is not there, though it fits',
    )
    t.strictSame(await guids('physician', 'patient_name=SECOND^BOB'), [])
    const { rows, withheld } = await query(await grid.as('physician'), 'rows>0')
    t.equal(rows.find((row) => row.guid === first)!.patient_name, 'FIRST^ANN')
    t.notOk(
      Object.hasOwn(
        rows.find((row) => row.guid === second)!,
        'patient_name',
      ),
    )
    t.ok(withheld.includes('patient.patient_name'))
  })

  await t.test(
    'a value of the wrong type is refused where it stands, to those who may read the column',
    async (t) => {
      for (const expr of ['rows=many', 'rows>0 and birth_date=yesterday']) {
        t.match(await refusalOf(query(admin, expr)), {
          code: 'MDM_QUERY',
          details: { position: expr.lastIndexOf('=') + 2 },
        })
      }
    },
  )

  await t.test('the rows of one volume come table by table', async (t) => {
    t.match(await metadataOf(admin, { guid: first }), {
      guid: first,
      version: 1,
      withheld: [],
      tables: { patient: { sex: 'F' } },
    })
    const shown = await metadataOf(await grid.as('scientist'), { guid: first })
    t.strictSame(Object.keys(shown.tables), ['image', 'medical'])
    t.strictSame(Object.keys(shown.tables.medical!), ['modality'])
    t.ok(['patient', 'dicom', 'protocol', 'medical.body_part'].every((name) => shown.withheld.includes(name)))
    t.match(await metadataOf(await grid.as('backup'), { guid: first }), {
      tables: {},
      withheld: ['patient', 'image', 'medical', 'dicom', 'protocol'],
    })
    await t.rejects(metadataOf(await grid.as('stranger'), { guid: first }), { code: 'MDM_NOT_FOUND' })
  })

  await t.test('what is revoked is gone from the next answer', async (t) => {
    await revoke(admin, first, { from: await principal('physician') })
    t.strictSame(await guids('physician', 'rows>0'), [second])
    await t.rejects(query(await grid.as('physician'), 'patient_name=FIRST^ANN'), { code: 'MDM_QUERY' })
  })
})

async function refusalOf(
  asked: Promise<unknown>,
): Promise<{ code: string; message: string; details: Record<string, unknown> }> {
  try {
    await asked
  } catch (error) {
    const { code, message, details } = error as {
      code: string
      message: string
      details: Record<string, unknown>
    }
    return { code, message, details: { position: details.position } }
  }
  throw new Error('it was answered')
}
