import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const SCRIPT = resolve(import.meta.dirname, '../../../fuzz/chain.ts')

t.test('20,000 altered proxies and attribute certificates give nothing that nobody signed', async (t) => {
  // In a process of its own, as the other scripts: without what tap watches.
  const args = ['--conditions=@mdm/source', SCRIPT, '20000', '20261128']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const tally = JSON.parse(stdout.split('\n')[0]!) as Record<string, number>
  t.equal(tally.broken, 0, stdout)
  t.ok(tally.given! > 200 && tally.without! > 5_000 && tally.refused! > 500, stdout)
})
