import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from '../packages/server/src/provision/ports.ts'
import { startPeer, type Lifetime } from '../test/fixtures/peers/peer.ts'
import type { Server } from './process.ts'

const run = promisify(execFile)

/** nginx that serves files over TLS, one process. */
export interface Nginx {
  readonly server: Server
  /** what it serves */
  readonly www: string
  readonly url: string
  /** PEM that clients trust */
  readonly ca: string
}

/** A server of a grid: TLS as grid clients speak it, with a host certificate of their CA, for those who have one of it. */
export interface MutualTls {
  /** PEM files of the host certificate */
  readonly certificate: string
  readonly key: string
  /** PEM file */
  readonly ca: string
  /** as OpenSSL names them */
  readonly ciphers: string
  /** who looks whether it is ready */
  readonly user: { readonly certificate: string; readonly key: string }
}

/**
 * @param dir    an empty folder
 * @param mutual TLS 1.3 with a certificate of its own for anybody unless told
 */
export async function startNginx(t: Lifetime, dir: string, mutual?: MutualTls): Promise<Nginx> {
  const [port] = (await freePorts('127.0.0.1', 1)) as [number]
  const [www, temporary] = [join(dir, 'www'), join(dir, 'tmp')]
  await Promise.all([www, temporary].map((folder) => mkdir(folder, { recursive: true })))
  const { ca, certificate, key } = mutual ?? (await selfSigned(dir))
  const temporaries = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${temporary};`)
    .join(' ')
  const config = `
daemon off; master_process off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log warn;
events { worker_connections 256; }
http { access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream; ${temporaries}
  server { listen 127.0.0.1:${port} ssl; server_name localhost; ssl_certificate ${certificate}; ssl_certificate_key ${key};
    ${mutual === undefined ? 'ssl_protocols TLSv1.3;' : protocolsOf(mutual)} root ${www}; } }
`
  const file = join(dir, 'nginx.conf')
  await writeFile(file, config)
  await writeFile(join(www, 'ready'), 'ready')
  const url = `https://localhost:${port}`
  const own = mutual === undefined ? [] : ['--cert', mutual.user.certificate, '--key', mutual.user.key]
  const { pid } = await startPeer(t, 'nginx', ['-e', join(dir, 'error.log'), '-p', dir, '-c', file], {
    log: join(dir, 'nginx.log'),
    ready: async () =>
      (await run('curl', ['-sf', ...own, '--cacert', ca, `${url}/ready`])).stdout === 'ready',
    signal: 'SIGQUIT',
  })
  return { server: { name: 'nginx', pid }, www, url, ca }
}

async function selfSigned(dir: string) {
  const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30'],
    ...[...name, '-keyout', key, '-out', certificate],
  ])
  return { key, certificate, ca: certificate }
}

/** No session is taken up again: a storage element must see all certificates of a connection. */
const protocolsOf = ({ ca, ciphers }: MutualTls): string => `
    ssl_protocols TLSv1.2; ssl_ciphers ${ciphers}; ssl_prefer_server_ciphers on;
    ssl_session_tickets off; ssl_session_cache off; ssl_client_certificate ${ca}; ssl_verify_client on;`
