import type { Socket } from 'node:net'

/** Linux: IPPROTO_TCP and TCP_QUICKACK of <netinet/tcp.h>. */
const TCP = 6
const QUICKACK = 12

type SetSocketOption = (fd: number, level: number, name: number, value: Int32Array, length: number) => number

/** Loaded once, when the first association asks; undefined where this machine cannot. */
let setSocketOption: Promise<SetSocketOption | undefined> | undefined

/**
 * Switches off the delayed ACK of a socket, again after each read since the kernel forgets it.
 *
 * Servers built on DCMTK leave Nagle's algorithm on and write a PDU in two parts: each object then waits 40 ms for an
 * ACK that our kernel holds back. Node has no call for it and koffi is optional, so what is missing only costs time.
 *
 * @param socket the TCP socket itself, also below TLS
 * @returns a call for after each read, true when the option was set; undefined where koffi or the system lacks it
 */
export async function quickAcknowledge(socket: Socket): Promise<(() => boolean) | undefined> {
  setSocketOption ??= loadSetSocketOption()
  const set = await setSocketOption
  if (set === undefined) return undefined
  const on = Int32Array.of(1)
  const acknowledge = (): boolean => {
    const fd = descriptorOf(socket)
    return fd !== undefined && set(fd, TCP, QUICKACK, on, on.byteLength) === 0
  }
  acknowledge()
  return acknowledge
}

async function loadSetSocketOption(): Promise<SetSocketOption | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    const { default: koffi } = await import('koffi')
    // without a name: the C library this process already runs on, GNU or musl
    const declaration = 'int setsockopt(int fd, int level, int name, const int *value, unsigned int length)'
    return koffi.load(null).func(declaration) as unknown as SetSocketOption
  } catch {
    return undefined
  }
}

/** Node gives its descriptor to nobody; this is a private field, gone once the socket is closed. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: unknown } | null }
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}
