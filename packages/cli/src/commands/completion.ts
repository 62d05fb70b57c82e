import { Args } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'

/** Commands, flags and their values at a press of Tab. */
export default class Completion extends BaseCommand {
  static override summary = 'print a completion script for your shell'
  static override description = [
    'Commands, flags, the values of flags and files are completed; GUIDs are not, since that would ask the site at each Tab.',
    'bash: eval "$(mdm completion bash)" in ~/.bashrc. zsh: keep it as _mdm in a folder of $fpath. fish: keep it as',
    '~/.config/fish/completions/mdm.fish. Print it anew after an update.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> bash > mdm.bash',
    '<%= config.bin %> <%= command.id %> zsh > _mdm',
    '<%= config.bin %> <%= command.id %> fish > mdm.fish',
  ]
  static override args = {
    shell: Args.string({
      required: true,
      ignoreStdin: true,
      options: ['bash', 'zsh', 'fish'],
      description: 'bash, zsh or fish',
    }),
  }

  async run(): Promise<{ shell: string; script: string }> {
    const { args } = await this.parse(Completion)
    const { commandTree } = await import('../completion/command-tree.ts')
    const tree = commandTree(this.config.commands, this.config.topics)
    const script = await scriptFor(args.shell, tree)
    this.print(script)
    return { shell: args.shell, script }
  }
}

async function scriptFor(
  shell: string,
  tree: ReturnType<(typeof import('../completion/command-tree.ts'))['commandTree']>,
): Promise<string> {
  if (shell === 'zsh') return (await import('../completion/zsh.ts')).zshScript(tree)
  if (shell === 'fish') return (await import('../completion/fish.ts')).fishScript(tree)
  return (await import('../completion/bash.ts')).bashScript(tree)
}
