import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ArchiveUnavailableError } from '../../src/archive/port.js';
import type { InProcessSecurity } from '../../src/security/in-process.js';
import { until } from '../helpers/engine.js';
import { leavable, request, startBench, type Bench } from './bench.js';

let bench: Bench;
let security: InProcessSecurity;
let dir: string;
beforeEach(async () => {
  bench = await startBench();
  security = await bench.process();
  dir = mkdtempSync(join(tmpdir(), 'ticktak-lists-'));
});
afterEach(async () => {
  await bench.stop();
  rmSync(dir, { recursive: true, force: true });
});

const by = { addedBy: 'account:op', address: '192.0.2.200', requestId: 'r1' };
const isBlocked = async (check: InProcessSecurity, address: string): Promise<boolean> => {
  const verdict = await check.check(request({ address, routeClass: 'read' }));
  if (verdict.verdict === 'deny') expect(verdict).toEqual({ verdict: 'deny', reasons: ['blocked_address'] });
  return verdict.verdict === 'deny';
};
const added = async (cidr: string, expiresAt?: number): Promise<string> => {
  const end = expiresAt === undefined ? {} : { expiresAt };
  const result = await security.blocks.add({ cidr, reason: 'spam', ...by, ...end });
  if (result.kind !== 'added') throw new Error(result.message);
  return result.block.id;
};

describe('the block list', () => {
  it('takes effect here at once and elsewhere soon, and ends so too', async () => {
    const other = await bench.process();
    const id = await added('198.51.100.0/24');
    await added('2001:db8::/32');
    expect(await isBlocked(security, '198.51.100.9')).toBe(true);
    expect(await isBlocked(security, '::ffff:198.51.100.9')).toBe(true);
    expect(await isBlocked(security, '2001:db8:9::1%eth0')).toBe(true);
    expect(await isBlocked(security, '198.51.101.9')).toBe(false);
    await until(() => isBlocked(other, '198.51.100.9'));
    expect(await other.blocks.remove(id, by)).toBe(true);
    expect(await isBlocked(other, '198.51.100.9')).toBe(false);
    expect(await isBlocked(other, '2001:db8:9::1')).toBe(true);
    await until(async () => !(await isBlocked(security, '198.51.100.9')));
    expect(await other.blocks.remove(id, by)).toBe(false);
  });

  it('is there after a restart, and lets entries end by themselves', async () => {
    await added('198.51.100.1');
    await added('198.51.100.2', bench.clock.now() + 60_000);
    const later = await bench.process();
    expect(await isBlocked(later, '198.51.100.1')).toBe(true);
    expect(await isBlocked(later, '198.51.100.2')).toBe(true);
    bench.clock.shiftMs = 61_000;
    expect(await isBlocked(later, '198.51.100.1')).toBe(true);
    expect(await isBlocked(later, '198.51.100.2')).toBe(false);
  });

  it.each(['127.0.0.1', '0.0.0.0/0', '::/0', '::1', '10.0.0.0/7', 'nonsense', ''])(
    'refuses %s',
    async (cidr) => {
      const result = await security.blocks.add({ cidr, reason: 'slip', ...by });
      expect(result).toMatchObject({ kind: 'refused', message: expect.stringMatching(/\w+/) });
      expect((await security.blocks.list({ limit: 10 })).items).toEqual([]);
    },
  );

  it('refuses an end in the past', async () => {
    const wanted = { cidr: '192.0.2.1', reason: 'slip', ...by, expiresAt: bench.clock.now() - 1 };
    expect(await security.blocks.add(wanted)).toMatchObject({ kind: 'refused' });
  });

  it('is listed newest first, in pages', async () => {
    for (let i = 1; i <= 5; i += 1) {
      await added(`192.0.2.${i}`);
      bench.clock.shiftMs += 10;
    }
    const first = await security.blocks.list({ limit: 3 });
    const second = await security.blocks.list({
      limit: 3,
      ...(first.next !== undefined && { after: first.next }),
    });
    const cidrs = [...first.items, ...second.items].map(({ cidr }) => cidr);
    expect(cidrs).toEqual([5, 4, 3, 2, 1].map((i) => `192.0.2.${i}/32`));
    expect(second.next).toBeUndefined();
  });

  it('changes nothing that cannot be put on record', async () => {
    const down = new Error('away');
    const audit = { record: () => Promise.reject(down) };
    const unaudited = await bench.process({ audit });
    const wanted = { cidr: '203.0.113.77', reason: 'test', addedBy: 'account:op' };
    await expect(unaudited.blocks.add(wanted)).rejects.toThrow(down);
    expect(unaudited.blocks.blocks('203.0.113.77')).toBe(false);
    const other = await bench.process();
    expect(other.blocks.blocks('203.0.113.77')).toBe(false);
  });

  it('writes every change into the audit', async () => {
    const id = await added('192.0.2.1');
    await security.blocks.remove(id, by);
    const { items } = await bench.audit.list({ subject: `block:${id}`, limit: 10 });
    expect(items).toMatchObject([
      { action: 'block.removed', actor: 'account:op', details: { cidr: '192.0.2.1/32' } },
      {
        action: 'block.added',
        actor: 'account:op',
        address: '192.0.2.200',
        requestId: 'r1',
        details: { cidr: '192.0.2.1/32', reason: 'spam' },
      },
    ]);
  });

  it('stays as it was while the documents are away, and goes on when they are back', async () => {
    await added('192.0.2.1');
    let away: Error | null = null;
    const documents = leavable(bench.archive, () => away);
    const other = await bench.process({ documents });
    away = new ArchiveUnavailableError('away');
    await added('192.0.2.2');
    await until(() => bench.logs.some((line) => line.includes('the last one stays')));
    expect(await isBlocked(other, '192.0.2.1')).toBe(true);
    await expect(other.blocks.add({ cidr: '192.0.2.3', reason: 'spam', ...by })).rejects.toThrow('away');
    expect(await isBlocked(other, '192.0.2.3')).toBe(false);
    away = null;
    await until(() => isBlocked(other, '192.0.2.2'));
  });
});

describe('list files', () => {
  let version = 0;
  const write = (text: string): string => {
    const path = join(dir, 'list');
    writeFileSync(path, text);
    // Two writes within the resolution of the file system's clock.
    version += 10;
    utimesSync(path, version, version);
    return path;
  };

  it('are read again when they change', async () => {
    const listed = await bench.process({ listFiles: [write('192.0.2.0/24 # spam\n')] });
    expect(await isBlocked(listed, '192.0.2.9')).toBe(true);
    write('198.51.100.0/24\n');
    await until(() => isBlocked(listed, '198.51.100.9'));
    expect(await isBlocked(listed, '192.0.2.9')).toBe(false);
  });

  it('keep their last good content when a line is broken, and the log names the line', async () => {
    const listed = await bench.process({ listFiles: [write('192.0.2.0/24\n')] });
    write('198.51.100.0/24\n0.0.0.0/0\n');
    await until(() => bench.logs.some((line) => /line 2 of .*list: it covers every address/.test(line)));
    expect(await isBlocked(listed, '192.0.2.9')).toBe(true);
    expect(await isBlocked(listed, '198.51.100.9')).toBe(false);
    rmSync(join(dir, 'list'));
    await until(() => bench.logs.some((line) => line.includes('cannot be read')));
    expect(await isBlocked(listed, '192.0.2.9')).toBe(true);
    write('203.0.113.0/24\n');
    await until(() => isBlocked(listed, '203.0.113.9'));
  });

  it('keep a process from starting when they cannot be used', async () => {
    await expect(bench.process({ listFiles: [join(dir, 'missing')] })).rejects.toThrow(
      /Block list: .*missing/,
    );
    await expect(bench.process({ listFiles: [write('no address')] })).rejects.toThrow(/line 1 of/);
  });
});

describe('the audit', () => {
  it('is found by actor and by subject, newest first, in pages', async () => {
    for (let i = 0; i < 5; i += 1) {
      await bench.audit.record({
        actor: `account:${i % 2}`,
        action: `test.${i}`,
        subject: 'queue:match/1 ü',
      });
    }
    await bench.audit.record({ actor: 'account:10', action: 'test.other', subject: 'queue:match/1' });
    const actions = async (query: { actor?: string; subject?: string }) => {
      const found: string[] = [];
      let after: string | undefined;
      do {
        const page = await bench.audit.list({ ...query, limit: 2, ...(after !== undefined && { after }) });
        found.push(...page.items.map(({ action }) => action));
        after = page.next;
      } while (after !== undefined);
      return found;
    };
    expect(await actions({})).toEqual(['test.other', 'test.4', 'test.3', 'test.2', 'test.1', 'test.0']);
    expect(await actions({ actor: 'account:1' })).toEqual(['test.3', 'test.1']);
    expect(await actions({ subject: 'queue:match/1 ü' })).toEqual([
      'test.4',
      'test.3',
      'test.2',
      'test.1',
      'test.0',
    ]);
    expect(await actions({ actor: 'account:0', subject: 'queue:match/1 ü' })).toEqual([
      'test.4',
      'test.2',
      'test.0',
    ]);
    expect(await actions({ actor: 'nobody' })).toEqual([]);
  });

  it('keeps what it is told within bounds', async () => {
    const details = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`d${i}`, 'x'.repeat(2_000)]));
    await bench.audit.record({ actor: 'ü'.repeat(1_000), action: 'a', subject: '\ud800torn', details });
    const [entry] = (await bench.audit.list({ limit: 1 })).items;
    expect(entry?.actor).toHaveLength(200);
    expect(Object.keys(entry?.details ?? {})).toHaveLength(20);
    expect(entry?.details?.['d0']).toHaveLength(500);
  });

  it('says when an entry could not be kept', async () => {
    await bench.archive.stop();
    await expect(bench.audit.record({ actor: 'a', action: 'b', subject: 'c' })).rejects.toThrow();
    expect(bench.logs.some((line) => line.includes('could not be kept'))).toBe(true);
    await bench.archive.start();
  });
});
