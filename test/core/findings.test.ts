import t from 'tap'
import { exitCodeOf, fault, findingLines, good, warn } from '@mdm/core/findings'

t.test('warnings leave the exit code 0, one fault makes it 10', async (t) => {
  const fine = [good('node', '', 'Node 26'), warn('clock', 'https://k1', '40 s off', 'timedatectl')]
  t.equal(exitCodeOf([]), 0)
  t.equal(exitCodeOf(fine), 0)
  t.equal(exitCodeOf([...fine, fault('mode', 'a.key', 'open to others', 'chmod 600 a.key')]), 10)
})

t.test('each finding is a line, and what is not well has the command that mends it below', async (t) => {
  t.strictSame(
    findingLines([
      good('node', '', 'Node 26'),
      fault('file-mode', 'a.key', 'open to others', 'chmod 600 a.key'),
    ]),
    [
      'ok     node       Node 26',
      'fault  file-mode  a.key: open to others',
      '                  next: chmod 600 a.key',
    ],
  )
})
