import type { CommandNode, FlagInfo } from './command-tree.ts'

/** A completion script for fish, with what each command and flag does beside it. */
export function fishScript(tree: readonly CommandNode[]): string {
  const about = new Map(tree.map(({ id, summary }) => [id, summary]))
  const known = tree.flatMap(({ id }) => (id === '' ? [] : [fishWord(id)]))
  const lines = tree.flatMap(({ id, flags, values, below }) => {
    const here = `complete -c mdm -n ${fishWord(`test (__mdm_command) = ${fishWord(id)}`)}`
    return [
      ...below.map((word) => `${here} -a ${word} -d ${fishWord(about.get(`${id} ${word}`.trim()) ?? '')}`),
      ...flags.map((flag) => `${here} ${spelled(flag)} -d ${fishWord(flag.description)}`),
      ...(values === 'files' ? [`${here} -F`] : []),
      ...(Array.isArray(values) ? values.map((word) => `${here} -a ${word}`) : []),
    ]
  })
  return `# fish completion for mdm: mdm completion fish > ~/.config/fish/completions/mdm.fish
function __mdm_command
    set -l found ''
    set -l words (commandline -opc)
    for word in $words[2..-1]
        set -l next (string trim -- "$found $word")
        contains -- "$next" ${known.join(' ')}
        or break
        set found "$next"
    end
    echo "$found"
end
complete -c mdm -f
${lines.join('\n')}
`
}

function spelled({ spellings, values }: FlagInfo): string {
  const names = spellings.map((s) => (s.startsWith('--') ? `-l ${s.slice(2)}` : `-s ${s.slice(1)}`)).join(' ')
  if (values === undefined) return names
  if (values === 'files') return `${names} -r -F`
  return values === 'nothing' ? `${names} -x` : `${names} -x -a ${fishWord(values.join(' '))}`
}

/** In single quotes fish knows only these two. */
function fishWord(text: string): string {
  return `'${text.replaceAll('\n', ' ').replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
