import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { lockPart } from '@mdm/core/access/part-lock'

t.test('one holder at a time; what is given back can be taken again', async (t) => {
  const part = join(t.testdir(), 'x.part')
  const release = await lockPart(part)
  t.equal((await stat(`${part}.lock`)).mode & 0o777, 0o600)
  await t.rejects(lockPart(part), { code: 'MDM_CONFLICT' })
  await release()
  t.strictSame(await readdir(join(part, '..')), [])
  await (
    await lockPart(part)
  )()
})

t.test('of many at once, one gets it', async (t) => {
  const part = join(t.testdir({ 'x.part.lock': holder(await deadPid()) }), 'x.part')
  const taken = await Promise.allSettled(Array.from({ length: 20 }, () => lockPart(part)))
  const releases = taken.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []))
  t.equal(releases.length, 1, 'also where a stale lock is in the way')
  await releases[0]!()
  t.strictSame(await readdir(join(part, '..')), [], 'nothing is left of the others')
})

t.test('a lock is stale when its process has ended, also when its number was given to another', async (t) => {
  for (const text of [holder(await deadPid()), holder(process.pid, { started: '1' })]) {
    const part = join(t.testdir({ 'x.part.lock': text }), 'x.part')
    const release = await lockPart(part)
    t.not(await readFile(`${part}.lock`, 'utf8'), text)
    await release()
  }
})

t.test('a living process keeps its lock, and so does one that cannot be asked', async (t) => {
  const living = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  t.teardown(() => living.kill('SIGKILL'))
  for (const text of [
    holder(living.pid!),
    holder(await deadPid(), { host: `not-${hostname()}` }),
    '',
    'neither JSON',
  ]) {
    const part = join(t.testdir({ 'x.part.lock': text }), 'x.part')
    await t.rejects(lockPart(part), { code: 'MDM_CONFLICT' }, text)
    t.equal(await readFile(`${part}.lock`, 'utf8'), text, 'it is not touched')
  }
})

t.test('a lock that nobody finished writing is stale after ten seconds', async (t) => {
  const part = join(t.testdir({ 'x.part.lock': '' }), 'x.part')
  const before = Date.now() / 1000 - 11
  await utimes(`${part}.lock`, before, before)
  await (
    await lockPart(part)
  )()
})

t.test('who lost his lock does not take away that of the next', async (t) => {
  const part = join(t.testdir(), 'x.part')
  const release = await lockPart(part)
  await writeFile(`${part}.lock`, 'of another')
  await release()
  t.equal(await readFile(`${part}.lock`, 'utf8'), 'of another')
})

function holder(pid: number, o: { host?: string; started?: string } = {}): string {
  return JSON.stringify({ host: hostname(), pid, ...o })
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
  await once(child, 'close')
  return child.pid!
}
