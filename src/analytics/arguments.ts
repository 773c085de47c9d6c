/** Options on the command lines of the analytics programs. Every problem is one `Failure` that names the option. */
import { parseArgs } from 'node:util';
import { Failure, firstSentence } from '../peer/program.js';

export interface OptionTexts {
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly flags: ReadonlySet<string>;
  readonly help: boolean;
}

/** Throws `Failure`. `flags` are options without a value; `--help` is always one. */
export function optionsOf(
  argv: readonly string[],
  names: readonly string[],
  program: string,
  flags: readonly string[] = [],
): OptionTexts {
  const options = Object.fromEntries<{ type: 'string' } | { type: 'boolean'; short?: string }>([
    ...names.map((name) => [name, { type: 'string' }] as const),
    ...flags.map((name) => [name, { type: 'boolean' }] as const),
    ['help', { type: 'boolean', short: 'h' }],
  ]);
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    const entries = Object.entries(values);
    return {
      values: Object.fromEntries(
        entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
      ),
      flags: new Set(entries.filter(([, value]) => value === true).map(([name]) => name)),
      help: values['help'] === true,
    };
  } catch (error) {
    throw new Failure(`${firstSentence(error)}: npm run ${program} -- --help names the options.`);
  }
}

/** Throws `Failure`. */
export function numberOf(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (/^\d{1,10}(\.\d{1,6})?$/.test(text) && number >= min && number <= max) return number;
  throw new Failure(
    `--${name} ${JSON.stringify(text)} is not allowed: it must be a number from ${min} to ${max}.`,
  );
}

/** Throws `Failure`. */
export function wholeOf(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (/^\d{1,10}$/.test(text) && number >= min && number <= max) return number;
  throw new Failure(
    `--${name} ${JSON.stringify(text)} is not allowed: it must be an integer from ${min} to ${max}.`,
  );
}
