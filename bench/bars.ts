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
  'grid: gfal-copy srm / gfal-copy https from nginx': 1.5,
  'grid: gfal-copy https / gfal-copy https from nginx': 1.3,
  'grid: curl / curl from nginx': 1.3,
  'grid: mdm get --level raw / gfal-copy srm': 1.8,
  'grid: new connections / new connections to nginx': 2.5,
  'grid: new connections, VOMS proxy of a proxy / new connections': 1.5,
  'decode rle: ours / dcmdrle': 2,
  'decode jpeg-lossless: ours / dcmdjpeg': 2,
  'decode jpeg-ls: ours / dcmdjpls': 2,
}

/** Peak memory of a cold get of 4 times the slices above that of the slices, MiB at most; site and client alike. */
export const MEMORY_BAR_MIB = 32

/** Security's share of a cold CT get, percent at most: by exclusive time, and by CPU samples (the paper: 65). */
export const SECURITY_BAR_PERCENT = 25
