/** What other marketplaces, or whoever can write to their topics, may put into a log. Input number N of a seed is always the same. */
import { VALUE_BYTES_MAX } from '../../src/kafka/wire.js';
import { Chance } from './chance.js';
import { brokenBytes, DEEP, hostile, mutated, nodeOf, STRINGS, textOf, type Node } from './hostile.js';
import { saleOf } from './openapi.js';

export interface HostileRecord {
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** On the topic of master lists; of sales otherwise. */
  readonly isList: boolean;
}

/** As it is written to a broker. */
export interface WireRecord extends Pick<HostileRecord, 'value' | 'isList'> {
  readonly key: Buffer | null;
  /** Some are no text, some come twice. */
  readonly headers: Readonly<Record<string, string | Buffer | readonly string[]>>;
}

/** Larger than a value may be. */
const LARGE_BYTES = 1_100_000;
const HEADERS = [
  'clientId',
  'eventId',
  'reservationId',
  'sequence',
  'x-original-index',
  'x-original-topic',
  '__proto__',
  '',
];

export function recordOf(seed: number, number: number): HostileRecord {
  const chance = new Chance(seed, number);
  const isList = chance.percent(25);
  const names = HEADERS.filter(() => chance.percent(20));
  // No `Object.fromEntries`: the log's own reader makes `__proto__` an own property as well.
  const headers = Object.fromEntries(names.map((name) => [name, headerOf(name, chance)]));
  return { value: valueOf(isList, chance), headers, isList };
}

const headerOf = (name: string, chance: Chance): string =>
  name === 'clientId' && chance.percent(60)
    ? chance.pick(['blue', 'green', 'ticktak'])
    : chance.pick(STRINGS);

function valueOf(isList: boolean, chance: Chance): Buffer | null {
  const way = chance.weighted<'none' | 'bytes' | 'deep' | 'large' | 'anything' | 'mutated'>([
    [2, 'none'],
    [10, 'bytes'],
    [1, 'deep'],
    [1, 'large'],
    [10, 'anything'],
    [76, 'mutated'],
  ]);
  switch (way) {
    case 'none':
      return chance.percent(50) ? null : Buffer.alloc(0);
    case 'bytes':
      return chance.bytes(chance.whole(1, 200));
    case 'deep':
      return Buffer.from(textOf(chance.pick(DEEP)));
    case 'large':
      return Buffer.alloc(LARGE_BYTES, chance.pick(['[', ' ', '{"a":1}', '\u0000']));
    case 'anything':
      return Buffer.from(textOf(hostile(chance)));
    case 'mutated':
      return mutatedMessage(isList, chance);
  }
}

function mutatedMessage(isList: boolean, chance: Chance): Buffer {
  let node: Node = isList ? listOf(chance) : severalOf(chance);
  for (let i = chance.whole(0, 3); i > 0; i -= 1) node = mutated(node, chance);
  const bytes = Buffer.from(textOf(node));
  return chance.percent(12) ? brokenBytes(bytes, chance) : bytes;
}

/** A sales message; of several tickets now and then, and of more than any may have. */
function severalOf(chance: Chance): Node {
  if (chance.percent(70)) return saleOf(chance);
  const count = chance.pick([0, 1, 2, 3, 99, 100, 101, 5_000]);
  const tickets = Array.from({ length: count }, () => ({
    category: chance.whole(1, 3),
    quantity: 1,
    price: 75,
  }));
  const action = chance.pick(['TICKET_PENDING', 'TICKET_RESERVED', 'TICKET_CANCELLED', 'TICKET_', 1, null]);
  return nodeOf({ meta: { action }, body: { matchNumber: chance.whole(1, 70), tickets } });
}

function listOf(chance: Chance): Node {
  const category = (price: number) => ({ available: chance.whole(0, 1_000_000), pending: 0, price });
  const entry = () => ({
    matchNumber: chance.whole(101, 140),
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location: 'Al Bayt Stadium',
    availability: { category1: category(75), category2: category(125), category3: category(195) },
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: chance.pick(['A', null]),
  });
  return nodeOf(chance.percent(60) ? entry() : Array.from({ length: chance.whole(0, 5) }, entry));
}

/** So that it chooses apart from `recordOf`. */
const WIRE_STREAM = 1_000_000_000;
const SIZES_PERCENT = 0.3;
const LARGE_PERCENT = 10;
const OFTEN_BYTES_MAX = 100_000;
/** Of a batch around its only record. */
const FRAME_BYTES = 16_384;
const KEYS = ['1:1', '9000:1', '', '__proto__', 'a'.repeat(5_000)];

export const sizeOf = ({ key, value, headers }: Omit<WireRecord, 'isList'>): number =>
  (key?.length ?? 0) +
  (value?.length ?? 0) +
  Object.entries(headers).reduce(
    (sum, [name, text]) => sum + name.length + Buffer.byteLength(String(text)),
    0,
  );

/** The same record with a key, with headers that are bytes or come twice, and now and then as large as the broker takes. */
export function wireRecordOf(seed: number, number: number, bytesMax: number): WireRecord {
  const { value, headers, isList } = recordOf(seed, number);
  const chance = new Chance(seed, WIRE_STREAM + number);
  const key = chance.weighted<() => Buffer | null>([
    [40, () => null],
    [30, () => Buffer.from(chance.pick(KEYS))],
    [20, () => chance.bytes(chance.whole(1, 40))],
    [10, () => Buffer.from(chance.pick(STRINGS))],
  ])();
  const odd = chance.weighted<WireRecord['headers']>([
    [80, {}],
    [8, { clientId: ['green', 'blue'] }],
    [8, { [chance.pick(HEADERS)]: chance.bytes(chance.whole(0, 60)) }],
    [4, Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x-${i}`, 'a'.repeat(20)]))],
  ]);
  if (!chance.percent(SIZES_PERCENT)) {
    const record = { key, value, headers: { ...headers, ...odd }, isList };
    // What the broker refuses reaches nobody; and what is very large is to be rare, or it is all there is.
    const excess =
      sizeOf(record) + FRAME_BYTES - (chance.percent(LARGE_PERCENT) ? bytesMax : OFTEN_BYTES_MAX);
    return excess > 0 && value ? { ...record, value: value.subarray(0, -excess) } : record;
  }
  // Just below and just above what a value may be, and what the broker takes at most.
  const size = chance.pick([
    LARGE_BYTES - 60_000,
    VALUE_BYTES_MAX,
    VALUE_BYTES_MAX + 1,
    bytesMax - FRAME_BYTES,
  ]);
  const list = Buffer.from(textOf(isList ? listOf(chance) : saleOf(chance)));
  const sized = Buffer.concat([list, Buffer.alloc(size - list.length, ' ')]);
  return { key: null, value: sized, headers: { clientId: 'green' }, isList };
}
