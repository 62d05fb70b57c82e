import { cp, mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { frameSpan } from '@mdm/core/crypto/container/profile'
import { parseContainerHeader } from '@mdm/core/crypto/container/reader'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { startGrid } from '../fixtures/grid.ts'
import { meterSite } from '../fixtures/metered-proxy.ts'
import { generator } from '../fixtures/random.ts'
import { begin, besides, present, sha256 } from '../fixtures/running-get.ts'
import { emptySpool, restartSite, startSite } from '../fixtures/site-process.ts'

/** Number of gets that are killed: a dozen, or as many as MDM_LONG says, then of a volume of 100 MB. */
const KILLED = Number(process.env['MDM_LONG'] ?? 12)
const SLICES = process.env['MDM_LONG'] === undefined ? 256 : 800
const INVENTED = '00000000-0000-4000-8000-000000000000'

t.setTimeout(1_200_000)

t.test('a get that ends early goes on where it stopped', { timeout: 3_600_000 }, async (t) => {
  const source = await mkdtemp(join(tmpdir(), 'mdm-resume-'))
  t.teardown(() => rm(source, { recursive: true, force: true }))
  await writeSeries(join(source, 'ct'), {
    ...{ modality: 'CT', columns: 256, rows: 256, slices: SLICES, spacing: [1, 1, 1], bitsStored: 12 },
    voxel: (i, j, k) => (i * 7 + j * 13 + k * 31 + ((i * j) >> 3)) & 0xfff,
  })
  const grid = await startGrid(t, { source })
  const { guid } = (await grid.ok('admin', ['register', '--json'])).json.registered[0]
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.scientist.dn, '--preset', 'process'])
  const wire = await meterSite(t, grid)
  const at = (name: string) => join(grid.scratch, name)

  // The first get makes the site seal the container, and says what is right.
  await grid.ok('scientist', ['get', guid, '-o', at('whole.mdm')])
  await grid.ok('scientist', ['get', guid, '-o', at('whole.nrrd')])
  const right = await sha256(at('whole.nrrd'))
  const size = (await stat(at('whole.mdm'))).size
  const header = parseContainerHeader(await readFile(at('whole.mdm')))!
  const frameEnd = (index: number) => frameSpan(header.headerBytes, header.context.plaintextBytes, index).end

  /** A get that is stopped by a signal when so many bytes have come. */
  async function stopped(file: string, bytes: number, signal: NodeJS.Signals = 'SIGKILL', delayMs = 0) {
    const running = begin(grid, ['get', guid, '-o', file, '--json'])
    wire.after(bytes, () => void sleep(delayMs).then(() => running.child.kill(signal)))
    return await running.ended
  }

  await t.test(
    `killed ${KILLED} times: never half a file, right in the end, little fetched twice`,
    async (t) => {
      // What a killed get had not read yet is in no .part: on a busy machine that is what the system keeps for a connection.
      let [twice, fetched, gets] = [0, 0, 0]
      for (let seed = 1; seed <= KILLED; seed++) {
        const random = generator(seed)
        const file = at(`killed-${seed}.nrrd`)
        const before = wire.bytes
        let whole = false
        for (let kills = 1 + random(3); kills > 0 && !whole; kills--) {
          const bytes = random(size)
          await stopped(file, bytes, 'SIGKILL', random(10) < 3 ? random(150) : 0)
          whole = await present(file)
          if (whole && (await sha256(file)) !== right) t.fail(`seed ${seed}: a file that is not whole`)
        }
        const kept = await keptOf(file)
        const rest = wire.bytes
        const run = await grid.mdm('scientist', ['get', guid, '-o', file, '--json'])
        if (run.code !== 0) t.fail(`seed ${seed}: ${run.stdout}${run.stderr}`)
        if (!whole) {
          twice = Math.max(twice, wire.bytes - rest - (size - kept))
          fetched += wire.bytes - before
          gets++
        }
        if ((await sha256(file)) !== right) t.fail(`seed ${seed}: another content`)
        t.strictSame(await besides(file), [basename(file)], `seed ${seed}: nothing is left beside it`)
        await rm(file)
      }
      t.ok(twice < 500_000, `at the most ${twice} bytes were fetched that were there`)
      const times = fetched / gets / size
      t.ok(times > 0.9 && times < 1.5, `${times.toFixed(3)} times the size was fetched, with all kills`)
    },
  )

  await t.test(
    'an interrupted get keeps its .part to its user alone, and says how much it kept',
    async (t) => {
      const file = at('interrupted.nrrd')
      const first = await stopped(file, size / 2, 'SIGINT')
      t.equal(first.code, 130)
      t.strictSame(await besides(file), ['interrupted.nrrd.part'])
      const { mode, size: kept } = await stat(`${file}.part`)
      t.equal(mode & 0o777, 0o600)
      const before = wire.bytes
      const run = await grid.ok('scientist', ['get', guid, '-o', file])
      t.match(run.stderr, /resumed from [0-9.]+ MiB/)
      t.ok(wire.bytes - before < size - kept + 300_000, 'only the rest was fetched')
      t.equal(await sha256(file), right)
    },
  )

  await t.test('a raw container goes on too, and either level goes on from the other', async (t) => {
    const raw = at('raw.mdm')
    await stopped(raw, size / 2)
    const kept = await keptOf(raw)
    const run = await grid.ok('scientist', ['get', guid, '-o', raw, '--json'])
    const { resumedFrom } = run.json.files[0]
    t.ok(resumedFrom > 0 && resumedFrom > kept - 200_000, `resumed from ${resumedFrom} of ${kept}`)
    t.equal(await sha256(raw), await sha256(at('whole.mdm')))
    t.strictSame(await besides(raw), ['raw.mdm'])
    const file = at('from-raw.nrrd')
    await cp(at('whole.mdm'), `${file}.part`)
    const opened = await grid.ok('scientist', ['get', guid, '-o', file, '--json'])
    t.equal(opened.json.files[0].resumedFrom, frameEnd(header.frames - 1), 'all but the final frame')
    t.equal(await sha256(file), right)
  })

  await t.test('a .part is cut at its first bad byte', async (t) => {
    for (const [name, offset, kept] of [
      ['frame', frameEnd(20) + 1000, frameEnd(20)],
      ['header', header.headerBytes - 3, 0],
    ] as const) {
      const file = at(`${name}.nrrd`)
      await cp(at('whole.mdm'), `${file}.part`)
      await flip(`${file}.part`, offset)
      const run = await grid.ok('scientist', ['get', guid, '-o', file, '--json'])
      t.equal(run.json.files[0].resumedFrom, kept, name)
      t.equal(await sha256(file), right)
    }
    const raw = at('order.mdm')
    await cp(at('whole.mdm'), `${raw}.part`)
    await flip(`${raw}.part`, frameEnd(30) + 3)
    const run = await grid.ok('scientist', ['get', guid, '-o', raw, '--json'])
    t.equal(run.json.files[0].resumedFrom, frameEnd(30), 'without a key: at a frame that is out of order')
    t.equal(await sha256(raw), await sha256(at('whole.mdm')))
  })

  await t.test('what is not of this volume is refused with exit code 11 and stays as it is', async (t) => {
    const file = at('foreign.nrrd')
    await writeFile(`${file}.part`, 'my own notes')
    const run = await grid.mdm('scientist', ['get', guid, '-o', file, '--json'])
    t.equal(run.code, 11)
    t.equal(run.json.error.code, 'MDM_CONFLICT')
    t.equal(await readFile(`${file}.part`, 'utf8'), 'my own notes')
    await cp(at('whole.mdm'), `${file}.part`, { force: true })
    for (const name of [INVENTED, `${guid}@2`]) {
      t.equal((await grid.mdm('scientist', ['get', name, '-o', file, '--json'])).code, 11, name)
      t.equal((await stat(`${file}.part`)).size, size, 'it is not touched')
    }
    const linked = at('linked.nrrd')
    await symlink(at('whole.nrrd'), `${linked}.part`)
    t.equal((await grid.mdm('scientist', ['get', guid, '-o', linked, '--json'])).code, 11, 'a link')
    t.equal(await sha256(at('whole.nrrd')), right)
    t.strictSame(
      (await readdir(grid.scratch)).filter((name) => name.endsWith('.lock')),
      [],
    )
  })

  await t.test('a get that is refused leaves nothing', async (t) => {
    const file = at('refused.nrrd')
    t.equal((await grid.mdm('stranger', ['get', guid, '-o', file, '--json'])).code, 3)
    t.strictSame(await besides(file), [])
    await cp(at('whole.mdm'), `${file}.part`)
    t.equal((await grid.mdm('stranger', ['get', guid, '-o', file, '--json'])).code, 3)
    t.strictSame(await besides(file), [], 'nor what was there')
  })

  await t.test('two gets to one name: the second ends with 11, the first is not disturbed', async (t) => {
    const file = at('both.nrrd')
    const first = begin(grid, ['get', guid, '-o', file, '--json'])
    const held = new Promise<() => void>((resolve) => wire.after(size / 4, () => resolve(wire.hold())))
    const release = await held
    const second = await grid.mdm('scientist', ['get', guid, '-o', file, '--json'])
    t.equal(second.code, 11)
    t.equal(second.json.error.code, 'MDM_CONFLICT')
    release()
    t.equal((await first.ended).code, 0)
    t.equal(await sha256(file), right)
    t.strictSame(await besides(file), ['both.nrrd'])
  })

  await t.test('slices and stdout neither use a .part nor touch one', async (t) => {
    const file = at('slices.nrrd')
    await cp(at('whole.mdm'), `${file}.part`)
    await grid.ok('scientist', ['get', guid, '--slices', '3-5', '-o', file])
    await grid.ok('scientist', ['get', guid, '--slices', '3-5', '-o', at('other.nrrd')])
    t.equal(await sha256(file), await sha256(at('other.nrrd')))
    t.equal((await stat(`${file}.part`)).size, size)
    const piped = begin(grid, ['get', guid, '-o', '-'], 'hash')
    t.equal((await piped.ended).code, 0)
    t.equal(await piped.digest, right)
  })

  await t.test('a cut connection is tried again, which is said, and goes on', async (t) => {
    const file = at('cut.nrrd')
    const before = wire.bytes
    wire.after(size / 2, () => wire.cut())
    const run = await grid.ok('scientist', ['get', guid, '-o', file, '--json'])
    t.match(run.stderr, /note: MDM_UNREACHABLE: .*; attempt 2 of 5 in \d/)
    t.equal(run.json.files[0].resumedFrom, 0, 'nothing was there before this get')
    t.ok((wire.bytes - before) / size < 1.2)
    t.equal(await sha256(file), right)
    const once = at('once.nrrd')
    wire.after(size / 2, () => wire.cut())
    t.equal((await grid.mdm('scientist', ['get', guid, '-o', once, '--json', '--retries', '0'])).code, 5)
    t.strictSame(await besides(once), ['once.nrrd.part'])
  })

  await t.test(
    'a site that is killed and started again: the same get ends right, and so does a rerun',
    async (t) => {
      const file = at('site.nrrd')
      const killed = new Promise<void>((resolve) =>
        wire.after(size / 2, () => {
          process.kill(grid.site.pid, 'SIGKILL')
          resolve()
        }),
      )
      const running = begin(grid, ['get', guid, '-o', file, '--json'])
      await killed
      await startSite(grid)
      const { code, stdout, stderr } = await running.ended
      t.equal(code, 0, stdout)
      t.match(stderr, /attempt 2 of 5/)
      t.equal(await sha256(file), right)

      const again = at('again.nrrd')
      wire.after(size / 2, () => process.kill(grid.site.pid, 'SIGKILL'))
      t.equal((await grid.mdm('scientist', ['get', guid, '-o', again, '--json', '--retries', '0'])).code, 5)
      const abortable = begin(grid, ['get', guid, '-o', again, '--json'])
      await abortable.says('attempt 3 of 5')
      abortable.child.kill('SIGINT')
      const interrupted = await abortable.ended
      t.equal(interrupted.code, 130)
      t.notMatch(interrupted.stderr, 'attempt 4', 'waiting for the next attempt ends at once')
      await startSite(grid)
      const run = await grid.ok('scientist', ['get', guid, '-o', again, '--json'])
      t.ok(run.json.files[0].resumedFrom > 0, `resumed from ${run.json.files[0].resumedFrom}`)
      t.equal(await sha256(again), right)
    },
  )

  await t.test('another message id begins anew', async (t) => {
    const file = at('anew.nrrd')
    await stopped(file, size / 2)
    t.ok((await keptOf(file)) > 0)
    await restartSite(grid, emptySpool)
    const run = await grid.ok('scientist', ['get', guid, '-o', file, '--json'])
    t.equal(run.json.files[0].resumedFrom, 0)
    t.equal(await sha256(file), right)
  })
})

/** Bytes in the .part of a file. */
async function keptOf(file: string): Promise<number> {
  return await stat(`${file}.part`).then(
    (found) => found.size,
    () => 0,
  )
}

async function flip(file: string, offset: number): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await handle.read(byte, 0, 1, offset)
    await handle.write(Buffer.from([byte[0]! ^ 1]), 0, 1, offset)
  } finally {
    await handle.close()
  }
}
