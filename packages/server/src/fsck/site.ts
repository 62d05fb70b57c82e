import { stat } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { loadCredential } from '@mdm/core/identity/credential'
import { readConfig } from '../config.ts'
import { SiteConfig } from '../site-config.ts'
import { openKeyServers } from '../site-peers.ts'
import { storeLocation } from '../store/open-store.ts'
import { storedKey } from '../register/pseudonyms/stored-key.ts'
import { readSiteStore } from '../store/read-store.ts'
import { openRosters } from '../store/rosters.ts'
import { checkAudit } from './audit.ts'
import { checkChanges } from './changes.ts'
import { collect, type Report } from './findings.ts'
import { checkJournal } from './journal.ts'
import { checkLists } from './lists.ts'
import { checkNotices } from './notices.ts'
import { checkSets } from './sets.ts'
import { checkShares } from './shares.ts'
import { checkSpool } from './spool.ts'
import { checkStorageRequests } from './storage-requests.ts'
import { checkVolumes } from './volumes.ts'

/**
 * Looks at everything a site keeps and changes nothing. The site may run: what it is doing at this moment is then among the
 * findings.
 *
 * @param file site.json
 * @param o    `offline`: key servers are not asked
 * @throws MDM_CONFIG when the configuration, its roster or its store cannot be read; MDM_STORE
 */
export async function checkSite(file: string, o: { offline?: boolean } = {}): Promise<Report> {
  const { config, path } = await readConfig(file, SiteConfig)
  const rosters = await openRosters(await folder(path(config.rosters)))
  const roster = rosters.of(config.site)
  if (roster === undefined) throw new MdmError('MDM_CONFIG', 'no roster of this site is accepted here yet')
  const to = collect()
  const { versions, pseudonymKey } = await readSiteStore(storeLocation(config.store, path), async (db) => {
    const versions = await checkVolumes(db, roster, to)
    await checkLists(db, roster, to)
    await checkSets(db, to)
    await checkJournal(db, to)
    const names = config.sources.map(({ name }) => name)
    await checkNotices(db, { sources: names, now: new Date() }, to)
    await checkChanges(db, to)
    await checkStorageRequests(db, to)
    return { versions, pseudonymKey: await storedKey(db) }
  })
  await checkSpool(path(config.spool.dir), versions, to)
  await checkAudit(path(config.audit), to)
  if (o.offline === true) return to.report()
  const { certificate, key } = config.tls
  const tls = await loadCredential({ certificate: path(certificate), key: path(key) })
  const servers = openKeyServers(() => roster, tls)
  try {
    // Of no volume, and split like the key of one.
    const split = [...versions, ...(pseudonymKey === undefined ? [] : [{ ...pseudonymKey, version: 1 }])]
    await checkShares(servers.current(), split, roster, to)
  } finally {
    await servers.close()
  }
  return to.report()
}

/** A folder that is there: opening rosters would make it. */
export async function folder(dir: string): Promise<string> {
  const there = await stat(dir).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!there) throw new MdmError('MDM_CONFIG', 'the folder of rosters is not there')
  return dir
}
