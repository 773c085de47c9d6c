/**
 * Values that break careless programs, and JSON text that `JSON.stringify` would never write. Bodies and records are
 * built as trees of values in which a leaf may be raw text and an object may have the same key twice.
 */
import type { Chance } from './chance.js';

/** JSON text as it stands, valid or not. */
export class Raw {
  constructor(readonly text: string) {}
}

/** An object whose keys come as they are listed, doubled ones and `__proto__` included. */
export class Entries {
  constructor(readonly list: (readonly [key: string, value: Node])[]) {}
}

export type Node = null | boolean | number | string | Raw | Entries | Node[];

export function textOf(node: Node): string {
  if (node instanceof Raw) return node.text;
  if (Array.isArray(node)) return `[${node.map(textOf).join(',')}]`;
  if (node instanceof Entries) {
    return `{${node.list.map(([key, value]) => `${JSON.stringify(key)}:${textOf(value)}`).join(',')}}`;
  }
  return JSON.stringify(node);
}

/** A plain value as a tree. */
export function nodeOf(value: unknown): Node {
  if (Array.isArray(value)) return value.map(nodeOf);
  if (typeof value === 'object' && value !== null) {
    return new Entries(Object.entries(value).map(([key, inner]) => [key, nodeOf(inner)] as const));
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

const DEPTH = 100_000;
const deep = (open: string, inner: string, close: string, times = DEPTH): Raw =>
  new Raw(open.repeat(times) + inner + close.repeat(times));

/** Deeper than any body may be large. */
export const DEEP: readonly Raw[] = [deep('[', '', ']'), deep('{"a":', '1', '}'), new Raw('['.repeat(DEPTH))];
/** Deep, and small enough to be read. */
const NESTED: readonly Raw[] = [
  deep('[', '', ']', 30_000),
  deep('{"a":', '1', '}', 10_000),
  new Raw('['.repeat(60_000)),
  new Raw('{"":'.repeat(15_000)),
];

const NUMBERS: readonly Node[] = [
  0,
  new Raw('-0'),
  new Raw('-0.0'),
  -1,
  1.5,
  0.1,
  2_147_483_648,
  -2_147_483_649,
  4_294_967_296,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_SAFE_INTEGER + 1,
  new Raw('9223372036854775808'),
  new Raw('18446744073709551616'),
  1e21,
  new Raw('1e308'),
  new Raw('1e400'),
  new Raw('-1e400'),
  new Raw('1e-400'),
  new Raw('1E+2'),
  new Raw('1.0'),
  new Raw('1.0000000000000001'),
  new Raw('1'.repeat(400)),
  new Raw(`0.${'1'.repeat(5_000)}`),
  new Raw('NaN'),
  new Raw('Infinity'),
  new Raw('-Infinity'),
  new Raw('0x10'),
  new Raw('01'),
  new Raw('+1'),
  new Raw('.5'),
  new Raw('1n'),
  new Raw('undefined'),
];

export const STRINGS: readonly string[] = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff\ud800',
  '\ufeff',
  '\uffff',
  '\u202e\u2066abc',
  '\u0661',
  'e\u0301'.repeat(3_000),
  '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'.repeat(200),
  '\r\nSet-Cookie: a=b',
  '\n',
  'a'.repeat(300),
  'a'.repeat(5_000),
  'a'.repeat(60_000),
  '%00',
  '%2e%2e%2f',
  '../../../../etc/passwd',
  '/etc/passwd\u0000.png',
  "' OR '1'='1",
  '"; DROP TABLE matches; --',
  '{"$gt":""}',
  '${jndi:ldap://127.0.0.1/a}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '*',
  '*:*',
  '(a+)+$',
  `${'a'.repeat(2_000)}!`,
  `${'a.'.repeat(1_000)}@`,
  `${'a@'.repeat(100)}example.org`,
  `a@${'b.'.repeat(1_000)}`,
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'null',
  'undefined',
  'NaN',
  'true',
  '-1',
  '0',
  '1',
  '1e3',
  '01',
  '٣',
  '99999999999999999999',
  '2022-11-20T16:00:00Z',
  '2022-02-30',
  '0000-00-00T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '9999-12-31T23:59:59.999999999Z',
  '2022-11-20T24:00:00+99:99',
  'u'.repeat(33),
  'm1c1-aaaaaaaaaaaaaaaaaaaaaaaaaa',
  'm9999c9-zzzzzzzzzzzzzzzzzzzzzzzzzz',
  'm1c1-aaaaaaaaaaaaaaaaaaaaaaaaaa.1',
  '::1',
  '0.0.0.0/0',
  '::/0',
  '127.0.0.1',
  '1.2.3.4/33',
  '::ffff:1.2.3.4/1',
  'fe80::1%eth0',
];

const KEYS: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'toJSON',
  'hasOwnProperty',
  'length',
  'then',
  '$where',
  '$gt',
  '_id',
  'id',
  'status',
  'roles',
  '',
  '\u0000',
  '\ud800',
  'a.b',
  'a'.repeat(1_000),
];

const object = (...list: (readonly [string, Node])[]): Entries => new Entries(list);

const SHAPES: readonly Node[] = [
  null,
  true,
  false,
  [],
  [[]],
  object(),
  [null],
  object(['__proto__', object(['isOperator', true])]),
  object(['constructor', object(['prototype', object(['roles', ['operator']])])]),
  object(['$gt', '']),
  object(['$where', 'sleep(1000)']),
  object(['length', -1]),
  object(['length', 4_294_967_295]),
  object(['toString', 1], ['valueOf', 2]),
  object(['then', 'x']),
  object(['toJSON', 1]),
  new Raw(`[${'0,'.repeat(20_000)}0]`),
  new Raw(`{${Array.from({ length: 4_000 }, (_, i) => `"k${i}":${i}`).join(',')}}`),
  new Raw(`[${'{},'.repeat(15_000)}{}]`),
  new Raw("{'a':1}"),
  new Raw('{"a":1,}'),
  new Raw('[1,]'),
  new Raw('// no comment'),
  new Raw(''),
];

/** Anything. */
export function hostile(chance: Chance): Node {
  return chance.weighted<() => Node>([
    [30, () => chance.pick(NUMBERS)],
    [35, () => chance.pick(STRINGS)],
    [25, () => chance.pick(SHAPES)],
    [4, () => chance.pick(NESTED)],
    [6, () => chance.text('aZ09 _-:/.\u00e9\u4e2d', chance.whole(1, 400))],
  ])();
}

/** The tree with some of it replaced, left out, doubled or added to. */
export function mutated(node: Node, chance: Chance): Node {
  if (node instanceof Entries && node.list.length > 0 && chance.percent(85)) {
    const list = [...node.list];
    const at = chance.whole(0, list.length - 1);
    const [key, value] = list[at] as readonly [string, Node];
    const way = chance.weighted<'inside' | 'drop' | 'double' | 'add' | 'rename' | 'wrap'>([
      [60, 'inside'],
      [8, 'drop'],
      [10, 'double'],
      [14, 'add'],
      [3, 'rename'],
      [5, 'wrap'],
    ]);
    if (way === 'inside') list[at] = [key, mutated(value, chance)];
    if (way === 'drop') list.splice(at, 1);
    if (way === 'double') list.splice(chance.whole(0, list.length), 0, [key, hostile(chance)]);
    if (way === 'add') list.splice(chance.whole(0, list.length), 0, [chance.pick(KEYS), hostile(chance)]);
    if (way === 'rename') list[at] = [chance.pick(KEYS), value];
    if (way === 'wrap') list[at] = [key, [value]];
    return new Entries(list);
  }
  if (Array.isArray(node) && node.length > 0 && chance.percent(80)) {
    const list = [...node];
    const at = chance.whole(0, list.length - 1);
    if (chance.percent(15)) return Array.from({ length: chance.whole(2, 300) }, () => list[at] as Node);
    list[at] = mutated(list[at] as Node, chance);
    return list;
  }
  return hostile(chance);
}

const BROKEN_TEXT: readonly Buffer[] = [
  Buffer.from([0xc0, 0xaf]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xf8, 0x88, 0x80, 0x80, 0x80]),
  Buffer.from([0xff, 0xfe]),
  Buffer.from([0x80]),
  Buffer.from([0xe2, 0x82]),
  Buffer.from([0x00]),
  Buffer.from([0xef, 0xbb, 0xbf]),
];

/** For a URL; what is no text becomes the sign for that. */
export const encoded = (text: string): string => encodeURIComponent(Buffer.from(text).toString());

/** Bytes of a text with some of them broken. */
export function brokenBytes(bytes: Buffer<ArrayBuffer>, chance: Chance): Buffer<ArrayBuffer> {
  const at = chance.whole(0, bytes.length);
  switch (chance.whole(0, 5)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), chance.pick(BROKEN_TEXT), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), chance.bytes(chance.whole(1, 20)), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes, bytes.subarray(at)]);
    case 4:
      return Buffer.from(bytes.toString('utf8'), 'utf16le');
    default: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << chance.whole(0, 7));
      return flipped;
    }
  }
}
