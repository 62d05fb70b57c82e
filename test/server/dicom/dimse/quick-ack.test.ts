import { quickAcknowledge } from '@mdm/server/dicom/dimse/quick-ack'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import t from 'tap'
import { tcpServer } from './both-ends.ts'

const ON_LINUX = process.platform === 'linux'

t.test('on Linux the option is set on an open socket', async (t) => {
  const port = await tcpServer(t, () => {})
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const acknowledge = await quickAcknowledge(socket)
  t.equal(acknowledge?.(), ON_LINUX ? true : undefined)
})

t.test('a socket that is closed, or hides its descriptor, is left alone', async (t) => {
  const hidden = new Socket()
  for (const handle of [null, undefined, {}, { fd: -1 }, { fd: '7' }]) {
    Object.assign(hidden, { _handle: handle })
    t.equal((await quickAcknowledge(hidden))?.(), ON_LINUX ? false : undefined)
  }
  Object.assign(hidden, { _handle: null })
})

t.test('without koffi, or on another system, there is nothing to call, and nothing is thrown', async (t) => {
  const script = `
    import { registerHooks } from 'node:module'
    import { Socket } from 'node:net'
    if (process.argv[1] === 'koffi')
      registerHooks({ resolve: (name, context, next) => {
        if (name === 'koffi') throw new Error('not installed')
        return next(name, context)
      } })
    else Object.defineProperty(process, 'platform', { value: process.argv[1] })
    const { quickAcknowledge } = await import('@mdm/server/dicom/dimse/quick-ack')
    console.log(String(await quickAcknowledge(new Socket())))
  `
  for (const lacking of ['koffi', 'darwin', 'win32']) {
    const args = ['--conditions=@mdm/source', '--input-type=module', '-e', script, lacking]
    const said = execFileSync(process.execPath, args, { encoding: 'utf8', env: { PATH: process.env.PATH } })
    t.equal(said.trim(), 'undefined', lacking)
  }
})
