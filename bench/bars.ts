/** Every bar of `npm run bench -- --check`, in one place; the names are those of the comparisons and figures. */

/** Ours by theirs: median of the pairs' ratios of wall time, at most. */
export const RATIO_BARS: Readonly<Record<string, number>> = {
  'ct dimse orthanc: ours, cold / getscu TCP_NODELAY': 0.7,
  'mr dimse orthanc: ours, cold / getscu TCP_NODELAY': 0.5,
  'ct dimse orthanc: ours, cold / getscu as shipped': 0.15,
  'mr dimse orthanc: ours, cold / getscu as shipped': 0.15,
  'ct dimse dcmqrscp: ours, cold / getscu TCP_NODELAY': 0.7,
  'mr dimse dcmqrscp: ours, cold / getscu TCP_NODELAY': 0.5,
  'ct dimse dcmqrscp: ours, cold / getscu as shipped': 0.15,
  'mr dimse dcmqrscp: ours, cold / getscu as shipped': 0.15,
  'ct dicomweb orthanc: ours, cold / WADO-RS to files': 0.9,
  '1 GB warm: ours / curl from nginx': 2,
  'decode rle: ours / dcmdrle': 2,
  'decode jpeg-lossless: ours / dcmdjpeg': 2,
  'decode jpeg-ls: ours / dcmdjpls': 2,
}

/** Peak memory of a cold get of 4 times the slices above that of the slices, MiB at most; site and client alike. */
export const MEMORY_BAR_MIB = 32

/** Security's share of a cold CT get, percent at most: by exclusive time, and by CPU samples (the paper: 65). */
export const SECURITY_BAR_PERCENT = 25
