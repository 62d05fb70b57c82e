import { globSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { AUDIT_EVENTS } from '../../../packages/server/src/audit/count-records.ts'

t.test('every event that the servers write down is on the list of those that are counted', async (t) => {
  const cwd = resolve(import.meta.dirname, '../../../packages/server/src')
  // A record of the audit log says its outcome beside its event; a line of the log has none. The log's own record is not counted.
  const written = globSync('**/*.ts', { cwd, exclude: ['audit/**'] }).flatMap((file) => {
    const source = readFileSync(resolve(cwd, file), 'utf8')
    return [...source.matchAll(/event: '([a-z.-]+)',\s*outcome: /g)].map(([, event]) => event!)
  })
  // Refusals are noted without an outcome, which is always the same; what becomes of a volume is put together.
  const noted = ['association-refused', 'hook-refused', 'request-refused', 'volume-gone', 'volume-returned']
  t.strictSame([...new Set([...written, ...noted])].toSorted(), [...AUDIT_EVENTS].toSorted())
})
