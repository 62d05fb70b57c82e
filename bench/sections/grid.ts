import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { writeRequest } from '@mdm/core/wire/srm/messages'
import { compare, type Row } from '../compare.ts'
import { folderOf, newFolder, seriesOf, shapeOf, withServers, type Section } from '../context.ts'
import { ONE_GIB, voxelBytes } from '../series.ts'
import { startStorage } from '../storage.ts'
import { copyRow, rawRow, requestsRow } from '../storage-rows.ts'

const run = promisify(execFile)
/** Of one curl: on one connection, and each on its own. */
const REQUESTS = { kept: 200, each: 50 }
const QUICK_REQUESTS = { kept: 40, each: 10 }

/** (g) to (n): the storage element as grid clients use it, beside nginx with the same bytes, cipher and host certificate. */
export const gridSection: Section = {
  name: 'grid',
  async run(o) {
    const shape = o.quick ? shapeOf(o, 'ct') : ONE_GIB
    const series = await seriesOf(o, 'big', shape, 1)
    const source = await folderOf(o, series)
    await withServers(async (t) => {
      const storage = await startStorage(t, o, { source, quotaBytes: voxelBytes(shape) * 3 + 2 ** 20 })
      const { grid, nginx, authority, plain, proxy, second } = storage
      const out = await newFolder(o, 'out')
      const guid = grid.nextGuid()
      const [surl, url] = [`srm://${authority}/mdm/${guid}`, `https://${authority}/mdm/${guid}`]
      // what is compared is what lies there: the first copy has it sealed, and nginx has that copy
      const file = join(nginx.www, 'v.mdm')
      await run('curl', ['-sf', ...proxy.curl, '-o', file, url])
      const bytes = (await stat(file)).size
      const there = `${nginx.url}/v.mdm`

      const ours = { asker: proxy, server: grid.site, out, bytes }
      const theirs = { asker: plain, server: nginx.server, out, bytes }
      const gfalNginx = copyRow('grid: gfal-copy https from nginx', 'gfal-copy', there, theirs)
      const curlNginx = copyRow('grid: curl from nginx', 'curl', there, theirs)
      const gfalSrm = copyRow('grid: gfal-copy srm', 'gfal-copy', surl, ours)
      await pair(gfalSrm, gfalNginx)
      await pair(copyRow('grid: gfal-copy https', 'gfal-copy', url, ours), gfalNginx)
      await pair(copyRow('grid: curl', 'curl', url, ours), curlNginx)
      await pair(copyRow('grid: davix-get', 'davix-get', url, ours), curlNginx)
      await pair(copyRow('grid: arccp srm', 'arccp', surl, ours), curlNginx)
      await pair(rawRow('grid: mdm get --level raw', o.installed, surl, ours), gfalSrm)

      const requests = o.quick ? QUICK_REQUESTS : REQUESTS
      const [here, beside] = [{ server: grid.site }, { server: nginx.server }]
      const kept = { requests: requests.kept }
      const head = requestsRow('grid: HEAD of nginx', there, { ...beside, ...kept, asker: plain })
      await pair(requestsRow('grid: HEAD', url, { ...here, ...kept, asker: proxy }), head)
      const message = writeRequest('srmLs', { arrayOfSURLs: [surl], fullDetailedList: true, numOfLevels: 0 })
      const srm = `https://${authority}/srm/managerv2`
      await pair(requestsRow('grid: srmLs', srm, { ...here, ...kept, asker: proxy, message }), head)

      const each = { requests: requests.each, connectEach: true }
      const certificate = requestsRow('grid: new connections', url, { ...here, ...each, asker: plain })
      await pair(
        certificate,
        requestsRow('grid: new connections to nginx', there, { ...beside, ...each, asker: plain }),
      )
      const proxies = { ...here, ...each, asker: second }
      await pair(requestsRow('grid: new connections, VOMS proxy of a proxy', url, proxies), certificate)

      async function pair(mine: Row, other: Row): Promise<void> {
        const { pairs, results } = o
        results.comparisons.push(await compare('grid', mine, other, { pairs, runs: results.runs }))
      }
    })
  },
}
