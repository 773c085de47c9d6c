/**
 * `npm run masterlist`: publishes a master list. Guarantee: nothing is published unless the whole list is
 * valid, names no match twice and fits.
 */
import { readFile, stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { bundledMasterList } from '../catalog/bundled.js';
import { CATEGORIES, masterListSchema, type MatchEntry } from '../catalog/match.js';
import type { OutgoingRecord } from '../kafka/port.js';
import { strictnessReport } from '../kafka/wire.js';
import { withTimeout } from '../process/timeout.js';
import {
  exitCodeOf,
  Failure,
  firstSentence,
  marketSettings,
  print,
  withLog,
  type Environment,
} from './program.js';

/** Largest file that is read. */
const FILE_BYTES_MAX = 16 * 1_024 * 1_024;
/** Brokers take 1 MiB by default, with what belongs to the record besides its value. */
export const RECORD_BYTES_MAX = 1_000_000;
const BATCH_RECORDS_MAX = 100;
const SENTENCES_MAX = 20;
const PUBLISH_MS_MAX = 30_000;
const CLIENT_ID = 'ticktak-masterlist';

const HELP = `npm run masterlist -- [file] [--one-by-one]

Publishes a master list, by default the bundled one of 64 matches, to the master-list topic of the market.

  file           a JSON file with one match or an array of them
  --one-by-one   one record per match; without it the whole list is one record

It heeds the environment variables of npm start that are about Kafka: KAFKA_BROKERS, ENVIRONMENT,
MASTERLIST_TOPIC_PREFIX and so on.
`;

const WITHOUT_BROKERS =
  'KAFKA_BROKERS is not set: a master list is published over Kafka only. Without Kafka, npm start sells the ' +
  'bundled list (npm start -- --peers 2 with other marketplaces).';

/** Answers the process's exit code. */
export function main(argv: readonly string[], env: Environment): Promise<number> {
  return exitCodeOf(async () => {
    const { file, oneByOne, help } = argumentsOf(argv);
    if (help) print(HELP);
    else await publish(file, oneByOne, env);
  });
}

function argumentsOf(argv: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { 'one-by-one': { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    if (positionals.length > 1) throw new Error('Only one file can be published at a time');
    return { file: positionals[0], oneByOne: values['one-by-one'] ?? false, help: values.help ?? false };
  } catch (error) {
    throw new Failure(`${firstSentence(error)}: npm run masterlist -- --help says what is possible.`);
  }
}

async function publish(file: string | undefined, oneByOne: boolean, env: Environment): Promise<void> {
  const entries = file === undefined ? bundledMasterList() : await listOfFile(file);
  for (const line of reportLines(entries)) print(line);
  const settings = marketSettings(env, CLIENT_ID, WITHOUT_BROKERS);
  const { masterlistTopic: topic, kafkaBrokers = '' } = settings;
  const records = listRecords(entries, topic, oneByOne);
  const work = withLog(settings, async (log) => {
    const publisher = await log.openPublisher();
    for (let from = 0; from < records.length; from += BATCH_RECORDS_MAX) {
      await publisher.publish(records.slice(from, from + BATCH_RECORDS_MAX));
    }
  });
  const late = `Kafka at ${kafkaBrokers} did not take it within ${PUBLISH_MS_MAX} ms; LOG_LEVEL=error says why.`;
  await withTimeout(work, PUBLISH_MS_MAX, late);
  print(publishedLine(entries, records, topic));
}

/** Throws `Failure`. */
export async function listOfFile(file: string): Promise<readonly MatchEntry[]> {
  return readList(await textOf(file), file);
}

async function textOf(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > FILE_BYTES_MAX) throw new Error(`it is larger than ${FILE_BYTES_MAX} bytes`);
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Throws `Failure`. Keys that the market does not know are left out. */
export function readList(text: string, name: string): readonly MatchEntry[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Failure(`${name} is not JSON: ${String(error)}`);
  }
  const result = masterListSchema.options[1].safeParse(Array.isArray(json) ? json : [json]);
  if (!result.success) {
    const lines = result.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`);
    throw new Failure([`${name} is not a master list:`, ...shortened(lines)].join('\n'));
  }
  const numbers = result.data.map(({ matchNumber }) => matchNumber);
  const twice = numbers.filter((number, i) => numbers.indexOf(number) !== i);
  if (twice.length > 0) {
    throw new Failure(
      `${name} names a match more than once: ${[...new Set(twice)].slice(0, SENTENCES_MAX).join(', ')}.`,
    );
  }
  return result.data;
}

/** What strict marketplaces will make of it. */
export function reportLines(entries: readonly MatchEntry[]): readonly string[] {
  const sentences = strictnessReport(entries);
  if (sentences.length === 0) return ['The list is valid, and strict marketplaces can sell all of it.'];
  return ['The list is valid, but:', ...shortened(sentences.map((sentence) => `  ${sentence}`))];
}

function shortened(lines: readonly string[]): readonly string[] {
  if (lines.length <= SENTENCES_MAX) return lines;
  return [...lines.slice(0, SENTENCES_MAX), `  ... and ${lines.length - SENTENCES_MAX} more`];
}

/** Throws `Failure` when the brokers would refuse it. */
export function listRecords(
  entries: readonly MatchEntry[],
  topic: string,
  oneByOne: boolean,
): readonly OutgoingRecord[] {
  if (oneByOne) {
    return entries.map((entry) => ({
      topic,
      key: String(entry.matchNumber),
      value: JSON.stringify(entry),
      headers: {},
    }));
  }
  const value = JSON.stringify(entries);
  const bytes = Buffer.byteLength(value);
  if (bytes > RECORD_BYTES_MAX) {
    throw new Failure(
      `The list is ${bytes} bytes, and a record takes ${RECORD_BYTES_MAX}: publish it with --one-by-one.`,
    );
  }
  return [{ topic, value, headers: {} }];
}

function publishedLine(
  entries: readonly MatchEntry[],
  records: readonly OutgoingRecord[],
  topic: string,
): string {
  const available = entries.flatMap(({ availability }) =>
    CATEGORIES.map((category) => availability[`category${category}`].available),
  );
  const bytes = records.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0);
  const total = available.reduce((sum, count) => sum + count, 0);
  return (
    `Published ${entries.length} matches with ${total} tickets to ${topic}: ` +
    `${records.length === 1 ? 'one record' : `${records.length} records`} of ${bytes} bytes.`
  );
}
