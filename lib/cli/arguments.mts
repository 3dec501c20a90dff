/** Command line arguments: parsing by node:util, and the errors that are the user's. */
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Wrong usage: exit code 2. */
export class UsageError extends Error {}

/** What a command gets besides its arguments. */
export interface Context {
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** How the user would type the program's name. */
  program: string;
}

/** A command of `altclip`. */
export interface Command {
  /** What --help prints; fits 80 x 24. */
  help: string;
  run(args: string[], context: Context): Promise<void>;
}

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: true }>>;

/**
 * node:util's parseArgs; what it refuses is a UsageError in one sentence.
 * @throws {UsageError}
 */
export function parse<const T extends Options>(args: string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    const [sentence] = (error as Error).message.split(/\. |\n/);
    throw new UsageError(sentence);
  }
}

/** @throws {UsageError} where `value` is no whole number of at least 1 */
export function countOf(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^[1-9]\d{0,6}$/.test(value)) throw new UsageError(`${option}: expected a whole number from 1, got '${value}'`);
  return Number(value);
}
