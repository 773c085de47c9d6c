/**
 * The command line of `npm run peer`. Guarantee: the options are complete and in range, or one `Failure` names
 * every problem, one line each.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { MATCH_NUMBER_MAX } from '../catalog/match.js';
import { IDS_MODES } from './messages.js';
import { PEER_HABITS, PEER_RATE, type PeerOptions } from './peer.js';
import { Failure, firstSentence, VARIABLES } from './program.js';
import { SEED_MAX } from './random.js';

export type PeerArguments = Omit<PeerOptions, 'log' | 'clock' | 'masterlistTopic' | 'salesTopic'>;

/** Seldom enough to go unseen, and more than a broker on this machine takes. */
const RATE_MIN = 0.001;
const RATE_MAX = 500;
const PATIENCE_MS_MAX = 10 * 60_000;
const QUANTITY_MAX = 10;
const MATCHES_CHARS_MAX = 10_000;

interface Option<T> {
  /** What --help shows behind the name. */
  readonly value: string;
  /** As it would be written. */
  readonly default: string;
  readonly doc: string;
  readonly allowed: string;
  /** Undefined when the text is not allowed. */
  readonly read: (text: string) => T | undefined;
}

/** Keeps the type of each line. */
const option = <T>(line: Option<T>): Option<T> => line;

function numberOf(text: string, min: number, max: number): number | undefined {
  const number = Number(text);
  return /^\d{1,10}(\.\d{1,6})?$/.test(text) && number >= min && number <= max ? number : undefined;
}

function wholeOf(text: string, min: number, max: number): number | undefined {
  return /^\d{1,10}$/.test(text) ? numberOf(text, min, max) : undefined;
}

const share = (value: number, doc: string) =>
  option<number>({
    value: 'SHARE',
    default: String(value),
    doc,
    allowed: 'a number from 0 to 1',
    read: (text) => numberOf(text, 0, 1),
  });

const OPTIONS = {
  'client-id': option<string>({
    value: 'NAME',
    default: 'peer-<n>',
    doc: 'Name of this marketplace, and its consumer group; no other may have it.',
    allowed: 'at most 100 letters, digits, dots, underscores and hyphens',
    read: (text) => (/^[A-Za-z0-9._-]{1,100}$/.test(text) ? text : undefined),
  }),
  seed: option<number>({
    value: 'NUMBER',
    default: 'any',
    doc: 'The same seed gives the same sales, with the same reservation ids: use it once on a topic.',
    allowed: `an integer from 0 to ${SEED_MAX}`,
    read: (text) => wholeOf(text, 0, SEED_MAX),
  }),
  rate: option<number>({
    value: 'NUMBER',
    default: String(PEER_RATE),
    doc: 'Sales per second, on average.',
    allowed: `a number from ${RATE_MIN} to ${RATE_MAX}`,
    read: (text) => numberOf(text, RATE_MIN, RATE_MAX),
  }),
  'patience-ms': option<number>({
    value: 'MS',
    default: String(PEER_HABITS.patienceMs),
    doc: 'Longest time from TICKET_PENDING to its end.',
    allowed: `an integer from 1 to ${PATIENCE_MS_MAX} (milliseconds)`,
    read: (text) => wholeOf(text, 1, PATIENCE_MS_MAX),
  }),
  ids: option<PeerOptions['ids']>({
    value: 'MODE',
    default: 'full',
    doc: 'Headers: full for clientId, reservationId and eventId; client for clientId; none for none, and no key.',
    allowed: `one of ${IDS_MODES.join(', ')}`,
    read: (text) => IDS_MODES.find((mode) => mode === text),
  }),
  quantity: option<readonly [number, number]>({
    value: 'MIN-MAX',
    default: `${PEER_HABITS.quantityMin}-${PEER_HABITS.quantityMax}`,
    doc: 'Tickets in one sale; more than 2 are told in several messages.',
    allowed: `a number or a range within 1-${QUANTITY_MAX}`,
    read: (text) => rangeOf(text, QUANTITY_MAX),
  }),
  'cancel-share': share(PEER_HABITS.cancelShare, 'Sales that end with TICKET_CANCELLED.'),
  matches: option<ReadonlySet<number> | null>({
    value: 'LIST',
    default: 'all',
    doc: 'The only matches to sell.',
    allowed: 'all, or numbers and ranges like 1,2,49-64',
    read: (text) => (text === 'all' ? null : matchesOf(text)),
  }),
  repeats: share(PEER_HABITS.repeats, 'Misbehaviour: records that are published again.'),
  reorders: share(PEER_HABITS.reorders, 'Misbehaviour: sales whose end comes before their TICKET_PENDING.'),
  garbage: share(PEER_HABITS.garbage, 'Misbehaviour: sales that come with a message nobody can use.'),
  silence: share(PEER_HABITS.silence, 'Misbehaviour: sales that end with TICKET_PENDING.'),
};

type Options = typeof OPTIONS;
type Name = keyof Options;

/** `4` or `1-4`. */
function rangeOf(text: string, max: number): readonly [number, number] | undefined {
  const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(text);
  if (!match) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? from);
  return from >= 1 && from <= to && to <= max ? [from, to] : undefined;
}

function matchesOf(text: string): ReadonlySet<number> | undefined {
  if (text.length > MATCHES_CHARS_MAX) return undefined;
  const matches = new Set<number>();
  for (const part of text.split(',')) {
    const range = rangeOf(part.trim(), MATCH_NUMBER_MAX);
    if (!range) return undefined;
    for (let number = range[0]; number <= range[1]; number += 1) matches.add(number);
  }
  return matches;
}

export function wantsHelp(argv: readonly string[]): boolean {
  return argv.includes('--help') || argv.includes('-h');
}

/** Throws `Failure`. */
export function readArguments(argv: readonly string[]): PeerArguments {
  const problems: string[] = [];
  const texts = textsOf(argv);
  const read = <N extends Name>(name: N): ReturnType<Options[N]['read']> | undefined => {
    const text = texts[name];
    if (text === undefined) return undefined;
    const value = OPTIONS[name].read(text);
    if (value === undefined) {
      problems.push(`--${name} ${JSON.stringify(text)} is not allowed: it must be ${OPTIONS[name].allowed}.`);
    }
    // The option's own reader made it.
    return value as ReturnType<Options[N]['read']>;
  };
  const [quantityMin, quantityMax] = read('quantity') ?? [PEER_HABITS.quantityMin, PEER_HABITS.quantityMax];
  const matches = read('matches');
  const options: PeerArguments = {
    clientId: read('client-id') ?? `peer-${randomInt(1_000, 10_000)}`,
    seed: read('seed') ?? randomInt(SEED_MAX),
    rate: read('rate') ?? PEER_RATE,
    ids: read('ids') ?? 'full',
    patienceMs: read('patience-ms') ?? PEER_HABITS.patienceMs,
    quantityMin,
    quantityMax,
    cancelShare: read('cancel-share') ?? PEER_HABITS.cancelShare,
    repeats: read('repeats') ?? PEER_HABITS.repeats,
    reorders: read('reorders') ?? PEER_HABITS.reorders,
    garbage: read('garbage') ?? PEER_HABITS.garbage,
    silence: read('silence') ?? PEER_HABITS.silence,
    ...(matches && { matches }),
  };
  if (problems.length > 0) throw new Failure(problems.join('\n'));
  return options;
}

function textsOf(argv: readonly string[]): Readonly<Partial<Record<Name, string>>> {
  const options = Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, { type: 'string' as const }]));
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    return values;
  } catch (error) {
    throw new Failure(`${firstSentence(error)}: npm run peer -- --help names the options.`);
  }
}

/** What --help prints. */
export function peerHelp(): string {
  const lines = Object.entries(OPTIONS).map(([name, line]) =>
    [`  --${name} ${line.value}  (${line.default})`, `      ${line.doc}`, `      ${line.allowed}`].join('\n'),
  );
  return [
    'npm run peer -- [options]',
    '',
    'Plays another marketplace on the topics of the market until Ctrl-C: it sells from the same master list and',
    'tells of it. Without Kafka, npm start -- --peers 2 runs two of them inside the marketplace.',
    '',
    ...lines,
    '',
    'Environment variables, as those of npm start:',
    '',
    ...VARIABLES.map(({ env, default: value }) => `  ${env}${value === '' ? '' : `=${value}`}`),
    '',
    'CLIENT_ID and KAFKA_GROUP_ID are the marketplace’s and not heeded.',
    '',
  ].join('\n');
}
