import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t from 'tap'
import { writeSeries } from '../../packages/server/src/dicom/dcmjs/write-series.ts'
import { serveDimse } from '../../packages/server/src/dicom/dimse/index.ts'
import { serveHook } from '../../packages/server/src/register/triggers/hook.ts'
import { startOrthanc } from '../fixtures/peers/orthanc.ts'
import { until } from '../server/site-grid.ts'

const SLICES = 5

t.test(
  'the scripts for Orthanc in docs/server.md send every object, call the hook, and leave Orthanc alive',
  async (t) => {
    const text = await readFile(resolve(import.meta.dirname, '../../docs/server.md'), 'utf8')
    const scripts = [...text.matchAll(/^```lua\n(.*?)^```$/gms)].map(([, script]) => script!)
    t.equal(scripts.length, 2)
    const calls = { right: 0, wrong: 0 }
    const hook = await serveHook({
      ...{ host: '127.0.0.1', port: 0, secret: 'SECRET' },
      called: () => void calls.right++,
      refused: async () => void calls.wrong++,
    })
    t.teardown(() => hook.stop())
    const sent = new Set<string>()
    const listener = await serveDimse({
      ...{ host: '127.0.0.1', port: 0, ae: 'MDM' },
      authorize: ({ calling }) => calling === 'ORTHANC',
      onStore: async ({ sop }) => {
        sent.add(sop)
        return 0
      },
    })
    t.teardown(() => listener.close())
    const dir = t.testdir()
    const { sops, files } = await writeSeries(join(dir, 'ct'), {
      ...{ modality: 'CT', columns: 8, rows: 6, slices: SLICES, spacing: [1, 1, 2] },
      voxel: () => 1,
    })
    for (const [i, script] of scripts.entries()) {
      await writeFile(join(dir, `${i}.lua`), script.replace('http://127.0.0.1:11180', hook.url))
      const orthanc = await startOrthanc(t, {
        destinations: [{ ae: 'MDM', port: listener.port }],
        settings: { LuaScripts: [join(dir, `${i}.lua`)] },
      })
      if (orthanc === undefined) return void t.pass('Orthanc is not installed here')
      await orthanc.store(...files)
      await until(async () => sent.size === SLICES && (i === 0 || calls.right === SLICES))
      const held = (await (await fetch(`${orthanc.rest}/instances`)).json()) as unknown[]
      t.equal(held.length, SLICES, 'it lives, and has what it was sent')
      await orthanc.stop('SIGKILL')
    }
    t.strictSame([...sent].sort(), [...sops].sort())
    t.strictSame(calls, { right: SLICES, wrong: 0 })
  },
)
