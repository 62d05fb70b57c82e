import { FIGURE_4, STEP_NAMES, sumOf, type Steps } from '../steps.ts'

const WIDTH = 1_000
const LEFT = 330
const BAR_HEIGHT = 26
const ROW_HEIGHT = 44
const LEGEND_COLUMNS = 4

/** One colour a step, warm for security, cold for moving and making data. */
const COLOURS: Readonly<Record<string, string>> = {
  start: '#bdbdbd',
  'access-control': '#b30000',
  'resolve-surl': '#fdae61',
  'retrieve-key': '#e34a33',
  'dicom-transaction': '#2166ac',
  'open-overhead': '#92c5de',
  'client-retrieve-key': '#fc8d59',
  'init-overhead': '#fee090',
  read: '#1b7837',
  finish: '#7fbf7b',
  overlapped: '#762a83',
  other: '#e0e0e0',
}

/** Where the time goes: one bar a get, each its own whole, those of the paper's Figure 4 first. */
export function stepsSvg(ours: Readonly<Record<string, Steps>>): string {
  const bars = Object.entries({ ...FIGURE_4, ...ours })
  const names = Object.keys(STEP_NAMES)
  const legendTop = 50 + bars.length * ROW_HEIGHT
  const height = legendTop + 24 * Math.ceil(names.length / LEGEND_COLUMNS) + 16
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    '<text x="16" y="26" font-size="16">Where the time of a get goes: exclusive time, each bar its own whole</text>',
    ...bars.map(([title, steps], i) => bar(title, steps, 44 + i * ROW_HEIGHT)),
    ...names.map((name, i) => legend(name, i, legendTop)),
    '</svg>',
    '',
  ].join('\n')
}

function bar(title: string, steps: Steps, top: number): string {
  const whole = sumOf(steps)
  const scale = (WIDTH - LEFT - 16) / whole
  let at = LEFT
  const pieces = steps.map(([name, ms]) => {
    const width = ms * scale
    const piece = `<rect x="${at.toFixed(1)}" y="${top}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" fill="${COLOURS[name] ?? '#888888'}"><title>${STEP_NAMES[name] ?? name}: ${ms.toFixed(0)} ms, ${((100 * ms) / whole).toFixed(1)} %</title></rect>`
    at += width
    return piece
  })
  const seconds = `${(whole / 1_000).toFixed(2)} s`
  return [
    `<text x="16" y="${top + 12}">${title}</text><text x="16" y="${top + 27}" fill="#666666">${seconds}</text>`,
    ...pieces,
  ].join('\n')
}

function legend(name: string, i: number, top: number): string {
  const x = 16 + (i % LEGEND_COLUMNS) * ((WIDTH - 16) / LEGEND_COLUMNS)
  const y = top + 24 * Math.floor(i / LEGEND_COLUMNS)
  return `<rect x="${x}" y="${y}" width="14" height="14" fill="${COLOURS[name]!}"/><text x="${x + 20}" y="${y + 12}">${STEP_NAMES[name]!}</text>`
}
