#!/usr/bin/env node
/**
 * The `altclip` command: picks the command, turns Ctrl-C into an abort and errors into one line and an exit code:
 * 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { type Command, UsageError } from './arguments.mjs';

/** The summaries stand here, so that the overview needs neither the commands nor the addon. */
const commands: Record<string, { summary: string; load: () => Promise<{ command: Command }> }> = {
  classify: { summary: 'which of some labels fits a picture best', load: () => import('./classify.mjs') },
  embed: { summary: 'embeddings of pictures or texts, as .jsonl or .npy', load: () => import('./embed.mjs') },
  convert: { summary: 'a Hugging Face folder becomes one GGUF file', load: () => import('./convert.mjs') },
  info: { summary: 'what is in a model file, and what this machine computes with', load: () => import('./info.mjs') },
  devices: { summary: 'the CPU and GPUs that models can run on here', load: () => import('./devices.mjs') },
  demo: { summary: 'the embedded model answers about twelve pictures', load: () => import('./demo.mjs') },
};

const overview = `altclip: pictures and words of many languages in one embedding space

Usage: altclip COMMAND [OPTIONS]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`)
  .join('\n')}

  altclip COMMAND --help   explains a command
  altclip --version        prints the version`;

/** How the user would call this program again. */
function programName(): string {
  const script = process.argv[1] ?? 'altclip';
  if (path.basename(script) === 'main.mjs') return `node ${path.relative(process.cwd(), script)}`;
  // a command of a project is not on the PATH
  return path.basename(path.dirname(script)) === '.bin' ? 'npx altclip' : 'altclip';
}

async function run(signal: AbortSignal): Promise<void> {
  const [name, ...args] = process.argv.slice(2);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(overview);
    return;
  }
  if (name === '--version' || name === '-v') {
    console.log((createRequire(import.meta.url)('../../package.json') as { version: string }).version);
    return;
  }
  const known = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!known) throw new UsageError(`'${name}' is not a command; there are ${Object.keys(commands).join(', ')}`);
  const { command } = await known.load();
  if (args.includes('--help') || args.includes('-h')) {
    console.log(command.help);
    return;
  }
  try {
    await command.run(args, { signal, program: programName() });
  } catch (error) {
    if (error instanceof UsageError) error.message += ` (see: ${programName()} ${name} --help)`;
    throw error;
  }
}

const controller = new AbortController();
process.on('SIGINT', () => {
  if (controller.signal.aborted) process.exit(130); // the second time: at once
  controller.abort();
});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // a reader like `head` that has seen enough is no failure
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

try {
  await run(controller.signal);
} catch (error) {
  if (controller.signal.aborted) {
    console.error('altclip: stopped');
    process.exitCode = 130;
  } else {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`altclip: ${message.replace(/\s*\n\s*/g, ' ')}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
