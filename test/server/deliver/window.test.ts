import t from 'tap'
import { createWindow } from '@mdm/server/deliver/window'

t.test('the window lends no more than its size, and lends again what came back, cleared', async (t) => {
  const window = createWindow(2 * 65_536 + 1)
  const [a, b] = [window.lend(), window.lend()]
  t.equal(a?.length, 65_536)
  t.ok(b)
  t.equal(window.lend(), undefined)
  a!.fill(7)
  window.giveBack(a!)
  const again = window.lend()
  t.equal(again, a, 'the same memory')
  t.ok(
    again!.every((byte) => byte === 0),
    'holds nothing of before',
  )
})
