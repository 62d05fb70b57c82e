import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'

export interface LaneAnswer {
  readonly status: number
  readonly head: string
  readonly body: Buffer
}

/** One connection that asks one thing after the other, as httpg does; opened again where the server closed it. */
export interface Lane {
  /** @throws where the server hangs up without an answer */
  ask(body: Buffer): Promise<LaneAnswer>
  close(): void
}

export function openLane(o: {
  readonly port: number
  readonly path: string
  readonly credential: { readonly certificate: string; readonly key: string }
}): Lane {
  let socket: TLSSocket | undefined
  const opened = async (): Promise<TLSSocket> => {
    if (socket !== undefined && !socket.destroyed && socket.writable && !socket.readableEnded) return socket
    socket?.destroy()
    const { certificate: cert, key } = o.credential
    socket = connect({ host: '127.0.0.1', port: o.port, cert, key, rejectUnauthorized: false })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    socket.setNoDelay(true)
    socket.write('0')
    return socket
  }
  return {
    async ask(body) {
      const line = await opened()
      const head = `POST ${o.path} HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: ""\r\nContent-Length: ${body.length}\r\n\r\n`
      const answer = readAnswer(line)
      line.write(Buffer.concat([Buffer.from(head), body]))
      const given = await answer
      if (/\r\nconnection: close/i.test(given.head)) line.destroy()
      return given
    },
    close: () => void socket?.destroy(),
  }
}

function readAnswer(socket: TLSSocket): Promise<LaneAnswer> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0)
    const settle = () => void socket.off('data', read).off('close', cut)
    const cut = () => {
      settle()
      reject(new Error(`hung up after ${bytes.length} bytes`))
    }
    const read = (piece: Buffer) => {
      bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece])
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) return
      const head = bytes.subarray(0, end).toString('latin1')
      const length = Number(/\r\ncontent-length: ([0-9]+)/i.exec(head)?.[1] ?? 0)
      if (bytes.length < end + 4 + length) return
      settle()
      resolve({
        status: Number(/^HTTP\/1\.1 ([0-9]{3})/.exec(head)?.[1]),
        head,
        body: bytes.subarray(end + 4, end + 4 + length),
      })
    }
    socket.on('data', read).on('close', cut)
  })
}
