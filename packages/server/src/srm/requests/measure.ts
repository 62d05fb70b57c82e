import type { Registry } from '../../http/metrics/registry.ts'
import type { OpenedRequests } from './requests.ts'

/** What the operator sees of what grid clients asked to be prepared, of all together. */
export function measureRequests(registry: Registry, requests: Pick<OpenedRequests, 'counts'>): void {
  registry.gauge('mdm_srm_requests', 'Requests of grid clients with a file that waits or is pinned.', {
    read: () => requests.counts().openRequests,
  })
  registry.gauge('mdm_srm_files', 'Files that wait for their source, or are pinned.', {
    allowed: { state: ['waiting', 'pinned'] },
    read: () => {
      const { waitingFiles, pinnedFiles } = requests.counts()
      return [
        [{ state: 'waiting' }, waitingFiles],
        [{ state: 'pinned' }, pinnedFiles],
      ]
    },
  })
  registry.gauge('mdm_srm_pinned_bytes', 'Spool that is pinned, each volume once.', {
    read: () => requests.counts().pinnedBytes,
  })
}
