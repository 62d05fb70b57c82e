import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Sources, type CallFrame } from './sources.ts'

/** CPU time by owner, ms: a folder of ours such as `core/crypto`, a package, or what Node does by itself. */
export type CpuShares = Readonly<Record<string, number>>

/** A moment of the monotonic clock, microseconds, as profiles have it. */
export const monotonicUs = (): number => Number(process.hrtime.bigint() / 1_000n)

interface ProfileNode {
  readonly id: number
  readonly callFrame: CallFrame
  readonly children?: readonly number[]
}

interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly startTime: number
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** What a sampler counts while nothing is done. */
const IDLE = '(idle)'
/** Files of ours that do one thing of security among others that do not: they are owners of their own. */
const OWN_FILES = [
  'core/access/file-key',
  'core/grid/key-servers',
  'core/grid/key-tally',
  'server/catalog/access',
  'server/catalog/access-lists',
  'server/catalog/statements',
]

/** The parts of the source that exist for security: right check, keys, encryption, decryption, and the record of it. */
const SECURITY = [
  'core/crypto',
  'core/identity',
  'core/acl',
  ...OWN_FILES,
  'server/keyshares',
  'server/audit',
  'server/site-peers',
  'shamirs-secret-sharing',
  'jose',
]

/**
 * Sums the samples of every profile in a folder (`node --cpu-prof`), without idle time: self time goes to the nearest
 * frame of ours on the stack, since Node and packages work for whoever called them.
 *
 * @param window only samples between these moments count, so that the start of a server does not
 */
export async function cpuShares(
  folder: string,
  window: { fromUs: number; toUs: number } = { fromUs: 0, toUs: Infinity },
): Promise<CpuShares> {
  const shares: Record<string, number> = {}
  const sources = new Sources()
  for (const name of await readdir(folder)) {
    const profile = JSON.parse(await readFile(join(folder, name), 'utf8')) as Profile
    const owners = ownersOf(profile.nodes, sources)
    let at = profile.startTime
    for (const [i, node] of profile.samples.entries()) {
      const delta = profile.timeDeltas[i]!
      at += delta
      const owner = owners.get(node)!
      if (owner !== IDLE && at >= window.fromUs && at <= window.toUs)
        shares[owner] = (shares[owner] ?? 0) + delta / 1_000
    }
  }
  return shares
}

/** Adds up shares of several programs. */
export function sumShares(all: readonly CpuShares[]): CpuShares {
  const sum: Record<string, number> = {}
  for (const shares of all)
    for (const [owner, ms] of Object.entries(shares)) sum[owner] = (sum[owner] ?? 0) + ms
  return sum
}

/** True where an owner exists for security alone. */
export const isSecurity = (owner: string): boolean => SECURITY.includes(owner)

function ownersOf(nodes: readonly ProfileNode[], sources: Sources): Map<number, string> {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])))
  const owners = new Map<number, string>()
  for (const { id } of nodes) {
    let owner: string | undefined
    let outside: string | undefined
    for (let at: number | undefined = id; at !== undefined && owner === undefined; at = parents.get(at)) {
      const { callFrame } = byId.get(at)!
      const { functionName } = callFrame
      const url = sources.of(callFrame)
      owner = ourOwner(url)
      outside ??= packageOf(url) ?? (functionName.startsWith('(') ? functionName : undefined)
    }
    owners.set(id, owner ?? (outside === '(root)' || outside === undefined ? 'Node' : outside))
  }
  return owners
}

/** `core/crypto` for .../@mdm/core/dist/crypto/container/reader.js, or for its source where the package is bundled. */
function ourOwner(url: string): string | undefined {
  const match = /@mdm\/(core|server|cli)\/(?:dist|bin|src)\/(?:([^/]+)\/)?(?:([^/]+)\/)?([^/]+)\.[jt]s$/.exec(
    url,
  )
  if (match === null) return undefined
  const [, owner, folder, , name] = match
  const file = `${owner}/${folder === undefined ? '' : `${folder}/`}${name}`
  return OWN_FILES.includes(file) || folder === undefined ? file : `${owner}/${folder}`
}

function packageOf(url: string): string | undefined {
  return /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(url)?.[1]
}
