import t from 'tap'
import { createBudget, type Slot } from '@mdm/server/dicom/sources/budget'
import type { Purpose } from '@mdm/server/dicom/source'

/** Lets every promise that can settle do so. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

t.test('no more slots are out than there are, and one that is given back is used again', async (t) => {
  const budget = createBudget(2)
  const slots = [await budget.take('deliver'), await budget.take('deliver')]
  t.equal(budget.tryTake('deliver'), undefined)
  const third = budget.take('deliver')
  await settled()
  t.equal(budget.waiting, 1)
  slots[0]!.free()
  slots[0]!.free()
  const slot = await third
  t.equal(budget.used, 2)
  t.equal(budget.tryTake('deliver'), undefined, 'giving back twice gives back once')
  slots[1]!.free()
  slot.free()
  t.equal(budget.used, 0)
})

t.test('registration leaves one slot for delivery, and delivery goes first', async (t) => {
  const budget = createBudget(2)
  const first = await budget.take('register')
  const order: Purpose[] = []
  const ask = (purpose: Purpose) =>
    budget.take(purpose).then((slot) => {
      order.push(purpose)
      return slot
    })
  const register = ask('register')
  const deliver = await ask('deliver')
  t.same(order, ['deliver'], 'the registration that came first still waits')
  const again = ask('deliver')
  await settled()
  first.free()
  await again
  t.same(order, ['deliver', 'deliver'])
  deliver.free()
  await register
  t.same(order, ['deliver', 'deliver', 'register'])
})

t.test('one slot alone serves both', async (t) => {
  const budget = createBudget(1)
  const slot = await budget.take('register')
  const next = budget.take('deliver')
  slot.free()
  ;(await next).free()
  t.equal(budget.used, 0)
})

t.test('a stream of deliveries does not hold up a registration for ever', async (t) => {
  const budget = createBudget(1)
  let slot: Slot = await budget.take('deliver')
  let registered = false
  void budget.take('register').then((taken) => {
    registered = true
    taken.free()
  })
  let deliveries = 0
  while (!registered && deliveries < 100) {
    const next = budget.take('deliver')
    slot.free()
    slot = await next
    deliveries++
  }
  t.ok(registered, `after ${deliveries} deliveries`)
  t.ok(deliveries <= 18)
})

t.test('who gives up waiting is out of the queue, and gets no slot', async (t) => {
  const budget = createBudget(1)
  const slot = await budget.take('deliver')
  const abort = new AbortController()
  const given = budget.take('deliver', abort.signal)
  const next = budget.take('deliver')
  abort.abort()
  await t.rejects(given, { name: 'AbortError' })
  await t.rejects(budget.take('deliver', abort.signal), { name: 'AbortError' })
  t.equal(budget.waiting, 1)
  slot.free()
  ;(await next).free()
  t.same([budget.used, budget.waiting], [0, 0])
})
