export * from './types.ts'
export { associate, DEFAULT_MAX_PDU, DEFAULT_TIMEOUTS, MAX_PROPOSALS } from './associate.ts'
export { isStorageClass, QUERY_RETRIEVE, VERIFICATION } from './uids.ts'
export { DEFAULT_LIMITS, serveDimse } from './serve.ts'
