import { auditVerify } from './audit-verify.ts'
import { checkKeys, checkSite } from './check.ts'
import { backupKey } from './backup-key.ts'
import { backup } from './backup.ts'
import type { Command } from './command.ts'
import { fsckKeys, fsckSite } from './fsck.ts'
import { initKeys } from './init-keys.ts'
import { initSite } from './init-site.ts'
import { provisionGrid } from './provision-grid.ts'
import { renew } from './renew.ts'
import { roster } from './roster.ts'
import { restoreServer } from './restore.ts'
import { runKeys, runSite } from './run-server.ts'
import { serveWithout } from './serve-without.ts'
import { trustRoster } from './trust-roster.ts'
import { writePhantoms } from './write-phantoms.ts'

/** Every command of `mdm-server`, in the order in which help lists them. */
export const COMMANDS: readonly Command[] = [
  initKeys,
  initSite,
  runSite,
  runKeys,
  trustRoster,
  serveWithout,
  roster,
  checkSite,
  checkKeys,
  fsckSite,
  fsckKeys,
  renew,
  auditVerify,
  backupKey,
  backup,
  restoreServer,
  provisionGrid,
  writePhantoms,
]
