import t from 'tap'
import { capabilityHolds } from '../conformance/capability-misuse.ts'

t.test('a capability gives what it says, and nothing to whoever misuses it 1,000 times', async (t) => {
  await capabilityHolds(t, 1_000)
})
