import { BlockList } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import { AddressSet } from '../../src/security/address-set.js';
import { addressKey, parseAddress, parseRange, rangeText } from '../../src/security/address.js';
import { refusalOf } from '../../src/security/block-rules.js';
import { parseList } from '../../src/security/list-file.js';

const four = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((parts) => parts.join('.'));
const six = fc
  .array(fc.nat(0xffff), { minLength: 8, maxLength: 8 })
  .map((parts) => parts.map((part) => part.toString(16)).join(':'));

const setOf = (...ranges: string[]): AddressSet => {
  const set = new AddressSet();
  for (const range of ranges) set.add(parseRange(range)!);
  return set;
};

describe('an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1/32'],
    ['::ffff:192.0.2.1', '192.0.2.1/32'],
    ['::FFFF:c000:201', '192.0.2.1/32'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
    ['192.0.2.77/24', '192.0.2.0/24'],
    ['2001:DB8::1', '2001:db8:0:0:0:0:0:1/128'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1/128'],
    ['2001:db8::/32', '2001:db8:0:0:0:0:0:0/32'],
    ['::', '0:0:0:0:0:0:0:0/128'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0:0:0:c000:201/128'],
    ['0.0.0.0/0', '0.0.0.0/0'],
  ])('%s is %s', (text, range) => {
    expect(rangeText(parseRange(text)!)).toBe(range);
  });

  it.each([
    '',
    'localhost',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4/33',
    '1.2.3.4/-1',
    '1.2.3.4/8/8',
    '1.2.3.4/',
    '1.2.3.4/1e1',
    '::1/129',
    ':::',
    '1::2::3',
    '12345::',
    `::1%${'x'.repeat(200)}`,
  ])('%s is none', (text) => {
    expect(parseRange(text)).toBeNull();
  });

  it('is counted with its network when it is IPv6, in whatever form it is written', () => {
    expect(addressKey('2001:db8:1:2:aaaa::1')).toBe(addressKey('2001:db8:1:2:bbbb::2'));
    expect(addressKey('2001:db8:1:2::1')).not.toBe(addressKey('2001:db8:1:3::1'));
    expect(addressKey('::ffff:192.0.2.1')).toBe(addressKey('192.0.2.1'));
    expect(addressKey('192.0.2.1')).not.toBe(addressKey('192.0.2.2'));
    expect(addressKey('nonsense')).toBe('unknown');
  });
});

describe('a set of addresses', () => {
  it('has what node:net says is in its ranges', () => {
    const ranges = fc.array(
      fc.oneof(
        fc.tuple(four, fc.integer({ min: 0, max: 32 }), fc.constant('ipv4' as const)),
        fc.tuple(six, fc.integer({ min: 0, max: 128 }), fc.constant('ipv6' as const)),
      ),
      { minLength: 1, maxLength: 10 },
    );
    fc.assert(
      fc.property(
        ranges,
        fc.array(fc.nat(200), { maxLength: 20 }),
        fc.array(fc.oneof(four, six)),
        (all, flips, others) => {
          const set = setOf(...all.map(([address, prefix]) => `${address}/${prefix}`));
          // One per family: Node also looks for an IPv4 address in IPv6 ranges such as ::/0.
          const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
          for (const [address, prefix, family] of all) lists[family].addSubnet(address, prefix, family);
          // Neighbours of what is listed, or hardly any would be a hit.
          const near = flips.flatMap((flip) => all.map(([address]) => flipped(address, flip)));
          for (const address of [...near, ...others]) {
            const family = parseAddress(address)?.family === 4 ? 'ipv4' : 'ipv6';
            const expected =
              address.includes(':') && family === 'ipv4' ? 'mapped' : lists[family].check(address, family);
            if (expected === 'mapped') continue;
            expect([address, set.has(address, 0)]).toEqual([address, expected]);
          }
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });

  it('finds an IPv4 address in its IPv6 form', () => {
    expect(setOf('192.0.2.0/24').has('::ffff:192.0.2.9', 0)).toBe(true);
    expect(setOf('192.0.2.0/24').has('::ffff:192.0.3.9', 0)).toBe(false);
    expect(setOf('2001:db8::/32').has('2001:db8::1%eth0', 0)).toBe(true);
  });

  it('lets an entry end, and keeps the longer of two', () => {
    const set = new AddressSet();
    set.add(parseRange('192.0.2.0/24')!, 1_000);
    expect([set.has('192.0.2.1', 999), set.has('192.0.2.1', 1_000)]).toEqual([true, false]);
    set.add(parseRange('192.0.2.0/24')!, 2_000);
    set.add(parseRange('192.0.2.0/24')!, 500);
    expect([set.has('192.0.2.1', 1_999), set.size]).toEqual([true, 1]);
  });
});

/** The address with one bit changed, counted from the end. */
function flipped(address: string, bit: number): string {
  const parsed = parseAddress(address);
  if (parsed?.family === 4) {
    const value = (parsed.value ^ (1 << (bit % 32))) >>> 0;
    return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
  }
  const value = (parsed?.value ?? 0n) ^ (1n << BigInt(bit % 128));
  return Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(
    ':',
  );
}

describe('what may be blocked', () => {
  it.each([
    '0.0.0.0/0',
    '::/0',
    '127.0.0.1',
    '127.0.0.0/8',
    '126.0.0.0/7',
    '::1',
    '::/64',
    '::ffff:127.0.0.1',
    '11.0.0.0/7',
    '2000::/3',
  ])('not %s', (text) => {
    expect(refusalOf(parseRange(text)!)).toMatch(/loopback|every address|too large/);
  });

  it.each(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', '2001:db8::1'])('%s', (text) => {
    expect(refusalOf(parseRange(text)!)).toBeNull();
  });
});

describe('a list file', () => {
  it('has one entry per line and comments', () => {
    const list = parseList('list', '# spammers\n192.0.2.0/24 # one\r\n\n  2001:db8::1\n', 10);
    expect(list.kind === 'changed' && list.ranges.map(rangeText)).toEqual([
      '192.0.2.0/24',
      '2001:db8:0:0:0:0:0:1/128',
    ]);
  });

  it.each([
    ['192.0.2.1\nnonsense\n', /line 2 of list/],
    ['192.0.2.1\n\n\n0.0.0.0/0\n', /line 4 of list.*every address/],
    ['127.0.0.1', /line 1 of list.*loopback/],
    ['192.0.2.1\n192.0.2.2\n192.0.2.3', /more than 2/],
  ])('says where it is broken (%#)', (text, message) => {
    expect(parseList('list', text, 2)).toEqual({ kind: 'broken', message: expect.stringMatching(message) });
  });
});
