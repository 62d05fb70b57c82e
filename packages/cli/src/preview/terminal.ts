import type { Picture } from '@mdm/core/volume/preview/preview'

/** How a picture may be drawn as text. */
export interface Canvas {
  readonly columns: number
  readonly rows: number
  /** none: one ASCII character a cell; else half blocks, two pixels a cell */
  readonly colours: 'none' | '256' | '24bit'
}

/** What the terminal on stdout can show. */
export function canvasOf(
  screen: { columns?: number | undefined; rows?: number | undefined },
  env: NodeJS.ProcessEnv = process.env,
): Canvas {
  const isPlain = env['NO_COLOR'] !== undefined || env['TERM'] === 'dumb'
  const isFull = /^(truecolor|24bit)$/.test(env['COLORTERM'] ?? '')
  return {
    columns: Math.max(1, (screen.columns || 80) - 1),
    rows: Math.max(2, (screen.rows || 24) - 2),
    colours: isPlain ? 'none' : isFull ? '24bit' : '256',
  }
}

type Rgb = readonly [number, number, number]

/** Draws the greatest picture that fits and keeps the proportions: a half block is square, a letter twice as high as wide. */
export function drawPicture(picture: Picture, canvas: Canvas): string {
  const isPlain = canvas.colours === 'none'
  const aspect = (picture.height / picture.width) * (isPlain ? 0.5 : 1)
  const most = canvas.rows * (isPlain ? 1 : 2)
  const width = Math.max(1, Math.min(canvas.columns, picture.width, Math.floor(most / aspect)))
  const height = Math.max(1, Math.round(width * aspect))
  const pixel = (x: number, y: number): Rgb => {
    if (y >= height) return [0, 0, 0]
    const column = Math.floor(((x + 0.5) * picture.width) / width)
    const row = Math.floor(((y + 0.5) * picture.height) / height)
    const at = (row * picture.width + column) * picture.channels
    const sample = (n: number) => picture.data[at + (picture.channels === 3 ? n : 0)]!
    return [sample(0), sample(1), sample(2)]
  }
  const line = (cell: (x: number) => string) => Array.from({ length: width }, (_, x) => cell(x)).join('')
  const lines = Array.from({ length: isPlain ? height : Math.ceil(height / 2) }, (_, y) => {
    if (canvas.colours === 'none') return line((x) => letter(pixel(x, y))).trimEnd()
    const code = canvas.colours === '24bit' ? full : nearest
    return `${line((x) => `\u001b[38;${code(pixel(x, 2 * y))};48;${code(pixel(x, 2 * y + 1))}m▀`)}\u001b[0m`
  })
  return lines.map((text) => `${text}\n`).join('')
}

const RAMP = ' .:-=+*#%@'

function letter(rgb: Rgb): string {
  return RAMP[Math.min(Math.floor((brightness(rgb) / 256) * RAMP.length), RAMP.length - 1)]!
}

function full([red, green, blue]: Rgb): string {
  return `2;${red};${green};${blue}`
}

/** The nearest of the 24 greys, or of the 6 x 6 x 6 colours, of a 256-colour terminal. */
function nearest(rgb: Rgb): string {
  if (Math.max(...rgb) - Math.min(...rgb) < 16) return `5;${232 + Math.round((brightness(rgb) / 255) * 23)}`
  const [red, green, blue] = rgb.map((sample) => Math.round((sample / 255) * 5)) as unknown as Rgb
  return `5;${16 + 36 * red + 6 * green + blue}`
}

function brightness([red, green, blue]: Rgb): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue
}
