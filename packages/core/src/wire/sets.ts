import { z } from 'zod'
import { Guid, Version } from '../names.ts'
import { AxisName, AxisUnit } from '../volume/volume.ts'
import { contract } from './contract.ts'

/** One row of `mdm ls --sets`. Values, shape and modality only for callers who may read them of every member. */
export const SetRow = z.object({
  guid: Guid,
  version: Version,
  /** newest version there is, which the caller may not have */
  latest: Version,
  /** what the volumes are counted along */
  axis: AxisName,
  /** how many */
  volumes: z.int().min(2),
  /** along the axis, one for each volume */
  values: z.array(z.number()).optional(),
  /** of `values`; absent where they only count */
  unit: AxisUnit.optional(),
  /** true where the volumes are rescaled differently, so that one grid of them holds real values */
  realValues: z.boolean().optional(),
  modality: z.string().optional(),
  /** columns, rows, slices of each volume */
  shape: z.array(z.int()).length(3).optional(),
  registered: z.iso.datetime(),
  /** since when its series does not make it, or the source of a member does not have that */
  goneSince: z.iso.datetime().optional(),
})
export type SetRow = z.infer<typeof SetRow>

/** A set and its volumes, in order along the axis, each in the version that belongs to this version of the set. */
export const SetStat = SetRow.extend({
  members: z
    .array(z.object({ guid: Guid, version: Version }))
    .min(2)
    .max(10_000),
})
export type SetStat = z.infer<typeof SetStat>

/** Sets of which the caller may list every member, by GUID. */
export const listSets = contract({
  method: 'GET',
  path: '/v1/sets',
  query: z.object({ after: Guid.optional(), limit: z.coerce.number().int().min(1).max(1000).optional() }),
  reply: z.object({ rows: z.array(SetRow), next: Guid.optional() }),
})

/** One set, by GUID or GUID@VERSION. A volume's name, and a set with a member that the caller may not list, are MDM_NOT_FOUND. */
export const getSet = contract({
  method: 'GET',
  path: '/v1/sets/:name',
  params: z.object({ name: z.string().min(1).max(200) }),
  reply: SetStat,
})
