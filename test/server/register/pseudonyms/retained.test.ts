import { readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import { grant } from '../../../../packages/core/src/access/acl.ts'
import { inspectStream } from '../../../../packages/core/src/access/inspect.ts'
import { query } from '../../../../packages/core/src/access/metadata.ts'
import { getRaw } from '../../../../packages/core/src/access/raw.ts'
import type { Session } from '../../../../packages/core/src/access/session.ts'
import { Guid } from '../../../../packages/core/src/names.ts'
import { addSeries, registerAll, startSiteGrid, type SiteGrid } from '../../site-grid.ts'
import { checkInvariants, siteRows } from '../invariants.ts'
import { guidsOf } from './looks.ts'

const patient = { name: 'DOE^JANE', id: 'DATES-1', birthDate: '19290101' }
const examined = (day: string) => ({ patient, attributes: () => ({ StudyDate: day, AcquisitionDate: day }) })

/** Gives the site other rules about what may leave; it must not run. */
async function allow({ provisioned }: SiteGrid, rules: object): Promise<void> {
  const { config } = provisioned.site
  const fields = JSON.parse(await readFile(config, 'utf8')) as object
  await writeFile(config, JSON.stringify({ ...fields, ...rules }))
}

async function share(admin: Session): Promise<void> {
  const { dn, issuer } = admin.credential.identity
  const to = { kind: 'user' as const, issuer, dn: dn.replace('admin', 'scientist') as typeof dn }
  for (const guid of await guidsOf(admin)) await grant(admin, guid, { to, preset: 'research' })
}

t.test(
  'days and ages leave only where the hospital allows it, and for what is registered then',
  async (t) => {
    const series = [examined('20200101'), examined('20200111')]
    const grid = await startSiteGrid(t, { series, started: false })
    await allow(grid, { dates: 'modified', ages: 'capped' })
    await grid.startSite()
    const admin = await grid.as('admin')
    await registerAll(admin)
    await grid.stopSite()
    await allow(grid, { dates: 'removed', ages: 'removed' })
    await grid.startSite()
    await addSeries(grid.source, 'later', examined('20200121'))
    await registerAll(admin)
    await share(admin)

    const { rows } = await query(await grid.as('scientist'), 'modality=CT')
    t.strictSame(rows.map(({ age }) => age).toSorted(), [90, 90, null], 'nobody is older than 90')
    const days = rows
      .flatMap(({ shifted_date: day }) => (day === null ? [] : [Date.parse(String(day))]))
      .toSorted()
    t.equal(days.length, 2)
    t.equal((days[1]! - days[0]!) / 86_400_000, 10, 'ten days between two examinations stay ten days')
    t.ok(days[0]! < Date.parse('2020-01-01'), 'and neither is the true one, but 1 to 365 days before it')
    t.notMatch(JSON.stringify(rows), /2020-01-[12]1|1929/)

    const profiles = siteRows(grid, 'select guid, profile from versions')
    const options = (profile: unknown) => String(profile).split('+').slice(1).join('+')
    t.strictSame(profiles.map(({ profile }) => options(profile)).toSorted(), [
      '',
      '113107+113108',
      '113107+113108',
    ])
    for (const { guid, profile } of profiles) {
      const { body } = await getRaw(admin, { guid: Guid.parse(guid) })
      t.equal(
        (await inspectStream(body)).profile,
        profile,
        'the container says which rules it was made under',
      )
    }
    await checkInvariants(t, grid, admin, 3)
  },
)
