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

/** @param dir an empty folder */
export async function startNginx(t: Lifetime, dir: string): Promise<Nginx> {
  const [port] = (await freePorts('127.0.0.1', 1)) as [number]
  const [www, temporary, key, ca] = ['www', 'tmp', 'key.pem', 'cert.pem'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
    string,
  ]
  await Promise.all([www, temporary].map((folder) => mkdir(folder, { recursive: true })))
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30'],
    ...[...name, '-keyout', key, '-out', ca],
  ])
  const temporaries = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${temporary};`)
    .join(' ')
  const config = `
daemon off; master_process off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log warn;
events { worker_connections 256; }
http { access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream; ${temporaries}
  server { listen 127.0.0.1:${port} ssl; server_name localhost; ssl_certificate ${ca}; ssl_certificate_key ${key};
    ssl_protocols TLSv1.3; root ${www}; } }
`
  const file = join(dir, 'nginx.conf')
  await writeFile(file, config)
  await writeFile(join(www, 'ready'), 'ready')
  const url = `https://localhost:${port}`
  const { pid } = await startPeer(t, 'nginx', ['-e', join(dir, 'error.log'), '-p', dir, '-c', file], {
    log: join(dir, 'nginx.log'),
    ready: async () => (await run('curl', ['-sf', '--cacert', ca, `${url}/ready`])).stdout === 'ready',
    signal: 'SIGQUIT',
  })
  return { server: { name: 'nginx', pid }, www, url, ca }
}
