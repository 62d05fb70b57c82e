import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const SCRIPT = resolve(import.meta.dirname, '../../../fuzz/multipart.ts')

t.test('5,000 altered replies are read as they are, or refused, and nothing else', async (t) => {
  // In a process of its own: tap follows every promise of this one, which takes ten times as long.
  const args = ['--conditions=@mdm/source', SCRIPT, '5000', '20261127']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const tally = JSON.parse(stdout.split('\n')[0]!) as Record<string, number>
  t.equal(tally.broken, 0, stdout)
  t.ok(tally.whole! > 500 && tally.other! > 50 && tally.refused! > 500, stdout)
  t.ok(tally.slowestMs! < 100, `${tally.slowestMs} ms of processor for one`)
})
