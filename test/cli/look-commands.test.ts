import { mkdir, readdir, readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { gunzipSync } from 'node:zlib'
import { FORMAT_NAMES, EXTENSIONS } from '@mdm/core/volume/formats/names'
import { FORMATS } from '@mdm/core/volume/formats/index'
import { pixelBytes, readHeader } from '@mdm/server/dicom/part10/index'
import { runMdm, startGrid } from '../fixtures/grid.ts'
import { gone, startKeyServer } from '../fixtures/site-process.ts'

const INVENTED = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'

t.test('every format has an ending and a writer', async (t) => {
  t.strictSame(Object.keys(FORMATS), FORMAT_NAMES)
  t.equal(new Set(Object.values(EXTENSIONS)).size, FORMAT_NAMES.length)
})

t.test('what can be looked at without fetching, over one grid', async (t) => {
  const grid = await startGrid(t)
  const at = (name: string) => join(grid.scratch, name)
  const { registered } = (await grid.ok('admin', ['register', '--json'])).json
  const { guid, lfn } = registered.find((v: { modality: string }) => v.modality === 'MR')
  const other = registered.find((v: { modality: string }) => v.modality === 'CT').guid
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.scientist.dn, '--preset', 'process'])
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.backup.dn, '--preset', 'replicate'])
  const copy = at('copy.mdm')
  const raw = (await grid.ok('backup', ['get', guid, '--level', 'raw', '-o', copy, '--json'])).json.files[0]

  await t.test('stat shows the catalog row, and of it what each may know', async (t) => {
    const nrrd = (await grid.ok('scientist', ['get', guid, '-o', at('a.nrrd'), '--json'])).json.files[0]
    const [mine, seen, stranger, text] = await Promise.all([
      grid.ok('scientist', ['stat', lfn, '--json']),
      grid.ok('backup', ['stat', guid, '--json']),
      grid.mdm('stranger', ['stat', guid]),
      grid.ok('scientist', ['stat', guid]),
    ])
    const [volume] = mine.json.volumes
    t.match(volume, {
      guid,
      version: 1,
      latest: 1,
      lfn,
      bytes: raw.bytes,
      modality: 'MR',
      shape: [96, 96, 48],
    })
    t.strictSame(volume.replicas, [volume.surl])
    t.equal(volume.plaintextSha256, nrrd.sha256, 'the digest of the NRRD, which is the plaintext')
    t.strictSame(
      Object.keys(seen.json.volumes[0]),
      ['guid', 'version', 'lfn', 'surl', 'bytes', 'registered', 'latest', 'replicas', 'may'],
      'a backup is told neither digest nor shape',
    )
    t.equal(stranger.code, 3)
    t.match(text.stdout, new RegExp(`^GUID +${guid}\nversion +1\nLFN +/demo/`))
    t.match(text.stdout, `SHA-256 of the plaintext  ${nrrd.sha256}\n`)
  })

  await t.test('stat takes names from stdin, and goes on behind one that fails', async (t) => {
    const run = await grid.mdm('admin', ['stat', '--json'], { input: `${guid} ${INVENTED}\n${other} # CT\n` })
    t.equal(run.code, 10)
    t.strictSame(
      run.json.volumes.map((v: { guid: string }) => v.guid),
      [guid, other],
    )
    t.match(run.json.errors, [{ name: INVENTED, code: 'MDM_NOT_FOUND' }])
  })

  await t.test('inspect reads the header without key, configuration or network', async (t) => {
    const elsewhere = { config: '/no/such/config' }
    const seen = await runMdm(['inspect', copy, '--json'], elsewhere)
    t.equal(seen.code, 0, seen.stderr)
    t.match(seen.json, {
      ...{ path: copy, formatVersion: 2, suite: '0x0478', guid, version: 1, site: 'demo', profile: '113100' },
      ...{ expectedBytes: raw.bytes, actualBytes: raw.bytes, state: 'whole', verified: false },
      kid: /^[0-9a-f]{32}$/,
      messageId: /^[\w-]{43}$/,
    })
    t.equal(seen.json.frames, Math.ceil(seen.json.plaintextBytes / 65_536))
    await truncate(copy, raw.bytes - 1)
    const [cut, words] = await Promise.all([
      grid.mdm('backup', ['inspect', '-', '--json'], { input: '' }),
      runMdm(['inspect', copy], elsewhere),
    ])
    t.match([cut.code, cut.json.error.code], [7, 'MDM_CONTAINER'])
    t.equal(words.code, 7, 'a container that was cut')
    t.match(words.stderr, /nothing of this is verified/)
    t.match(words.stdout, `cut: ${raw.bytes - 1} of ${raw.bytes} bytes`)
  })

  await t.test('key status says which servers would help, and never shows a share', async (t) => {
    const ask = (user: 'scientist' | 'backup' | 'stranger', name: string, ...more: string[]) =>
      grid.mdm(user, ['key', 'status', name, ...more])
    const [mine, words, backup, stranger, invented, several] = await Promise.all([
      ask('scientist', lfn, '--json'),
      ask('scientist', guid),
      ask('backup', guid),
      ask('stranger', guid, '--json'),
      ask('stranger', INVENTED, '--json'),
      grid.mdm('scientist', ['key', 'status', '--json'], { input: `${guid}\n${other}\n` }),
    ])
    const [key] = mine.json.keys
    t.match(key, { guid, version: 1, threshold: 2, shares: 3, mayFail: 1 })
    t.strictSame(sharesOf(key), ['yes', 'yes', 'yes'])
    t.notMatch(mine.stdout, /[A-Za-z0-9+/=]{100}/, 'nothing as long as a share')
    t.match(words.stdout, '3 of 3 shares, 2 are needed; 1 more may fail')
    t.equal(backup.code, 4, 'let in by the site, not by the key servers')
    t.match(backup.stdout, /no share for you here/)
    t.match(backup.stderr, /ask the data administrator for the preset "process"/)
    t.equal(stranger.code, 3)
    t.equal(
      stranger.stdout.replaceAll(guid, INVENTED),
      invented.stdout,
      'a real volume and an invented one look alike',
    )
    t.equal(several.code, 10)
    t.strictSame(
      several.json.keys.map((k: { code?: string }) => k.code),
      [undefined, 'MDM_NOT_FOUND'],
    )
  })

  await t.test('gets write every format, whole or in slices', async (t) => {
    await mkdir(at('out'))
    const get = (format: string) =>
      grid.ok('scientist', ['get', guid, '-o', at('out'), '--format', format, '--slices', '3-4'])
    await Promise.all([...FORMAT_NAMES.map(get), grid.ok('scientist', ['get', guid, '-o', at('b.nii.gz')])])
    const nii = await readFile(at(`out/${guid}.nii`))
    t.ok(gunzipSync(await readFile(at(`out/${guid}.nii.gz`))).equals(nii))
    const mha = await readFile(at(`out/${guid}.mha`))
    t.match(mha.subarray(0, 600).toString('latin1'), /\nDimSize = 96 96 2\n/)
    t.ok(mha.subarray(-96 * 96 * 2 * 2).equals(nii.subarray(352)), 'without a rescale the same voxels')
    t.equal(gunzipSync(await readFile(at('b.nii.gz'))).length, 352 + 96 * 96 * 48 * 2)
  })

  await t.test('a get as a DICOM series makes a folder of valid objects, once', async (t) => {
    const get = (...flags: string[]) => ['get', guid, '--format', 'dicom', '--slices', '3-4', ...flags]
    await grid.ok('scientist', get('-o', at('series')))
    const folder = at(`series/${guid}`)
    t.strictSame((await readdir(folder)).sort(), ['00004.dcm', '00005.dcm'])
    const nii = await readFile(at(`out/${guid}.nii`))
    const dicom = await readFile(join(folder, '00005.dcm'))
    const header = readHeader(dicom)
    t.ok(pixelBytes(dicom, header).equals(nii.subarray(352 + 96 * 96 * 2)), 'the voxels of slice 4')
    t.match(header, { modality: 'MR', instanceNumber: 5, text: { PatientID: guid } })
    t.equal((await grid.mdm('scientist', get('-o', at('series')))).code, 11, 'what is there stays')
    for (const flags of [
      ['-o', '-'],
      ['-o', at('out'), '--sidecar'],
      ['-o', at('b.nii.gz')],
    ])
      t.equal((await grid.mdm('scientist', get(...flags))).code, 2, flags.join(' '))
  })

  await t.test('ping tells who is there; 6 below the threshold, 5 without the site', async (t) => {
    const ping = async () => await grid.mdm('scientist', ['ping', '--json'])
    const all = await ping()
    t.equal(all.code, 0)
    t.equal(all.json.mayFail, 1)
    const state = {
      reachable: true,
      pinned: true,
      ready: true,
      reasons: [],
      ms: Number,
      clockAheadMs: Number,
    }
    t.match(all.json.servers, [
      { ...state, role: 'site', url: grid.site.api },
      ...grid.keyServers.map(({ url }) => ({ ...state, role: 'key server', url })),
    ])
    const [first, second] = grid.keyServers
    const end = async ({ pid }: { pid: number }) => {
      process.kill(pid, 'SIGTERM')
      await gone(pid)
    }
    await end(first!)
    const one = await ping()
    t.match([one.code, one.json.mayFail], [0, 0], 'two of three are enough')
    t.match(one.json.servers[1], { reachable: false, ms: null, pinned: null, code: 'MDM_UNREACHABLE' })
    await end(second!)
    const status = async () => await grid.mdm('scientist', ['key', 'status', guid, '--json'])
    const [two, below] = await Promise.all([ping(), status()])
    t.match([two.code, two.json.mayFail], [6, -1])
    t.match([below.code, below.json.keys[0].code], [6, 'MDM_BELOW_THRESHOLD'])
    t.strictSame(sharesOf(below.json.keys[0]), ['unreachable', 'unreachable', 'yes'])
    await startKeyServer(first!)
    // It serves once it has heard its witnesses, of which the site is one.
    for (let i = 0; i < 50 && (await ping()).json.mayFail !== 0; i++) continue
    await end(grid.site)
    const [five, away] = await Promise.all([ping(), status()])
    t.equal(five.code, 5)
    t.match([away.code, away.json.keys[0].shares], [0, 2], 'a GUID needs no site')
  })
})

function sharesOf(key: { servers: { share: string }[] }): string[] {
  return key.servers.map(({ share }) => share)
}
