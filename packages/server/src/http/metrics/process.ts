import { readdir } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Registry } from './registry.ts'

const NANOSECONDS = 1e9

/** What every process has: memory, open files, time on the processor, and how late its event loop runs. */
export function measureProcess(registry: Registry): { stop(): void } {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  registry.gauge('process_resident_memory_bytes', 'Resident memory.', {
    read: () => process.memoryUsage.rss(),
  })
  registry.gauge('process_heap_bytes', 'Memory of JavaScript objects.', {
    read: () => process.memoryUsage().heapUsed,
  })
  registry.gauge('process_buffer_bytes', 'Memory of buffers outside the heap.', {
    read: () => process.memoryUsage().arrayBuffers,
  })
  registry.gauge('process_open_fds', 'Open file descriptors.', {
    read: async () => (await readdir('/proc/self/fd')).length,
  })
  registry.gauge('process_cpu_seconds_total', 'Time on the processor.', {
    read: () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    },
    type: 'counter',
  })
  registry.gauge('process_start_time_seconds', 'Start of the process, since 1970.', {
    read: () => Math.round(Date.now() / 1000 - process.uptime()),
  })
  registry.gauge('process_event_loop_delay_seconds', 'How late the event loop ran since the last look.', {
    allowed: { quantile: ['0.5', '0.99', '1'] },
    read: () => {
      const rows = [
        [{ quantile: '0.5' }, delay.percentile(50) / NANOSECONDS],
        [{ quantile: '0.99' }, delay.percentile(99) / NANOSECONDS],
        [{ quantile: '1' }, delay.max / NANOSECONDS],
      ] as const
      delay.reset()
      return rows
    },
  })
  return { stop: () => delay.disable() }
}
