/** The embedded archive keeps the contract, and what it promises beyond: crashes and several processes. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { open } from 'lmdb';
import { EMBEDDED_SCHEMA, EmbeddedArchive } from '../../src/archive/embedded.js';
import { ArchiveRefusedError, ArchiveUnavailableError, type OpenOptions } from '../../src/archive/port.js';
import type { TicketId } from '../../src/rules/index.js';
import { all, archiveContract, batchOf, positionsOf } from '../contract/archive.js';

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'ticktak-archive-'));

archiveContract('EmbeddedArchive', async () => {
  const dir = await newFolder();
  const opened: EmbeddedArchive[] = [];
  const reopen = async (options: OpenOptions = {}): Promise<EmbeddedArchive> => {
    const archive = new EmbeddedArchive({ dir, ...options });
    await archive.start();
    opened.push(archive);
    return archive;
  };
  const cleanup = async (): Promise<void> => {
    await Promise.all(opened.map((archive) => archive.stop()));
    await rm(dir, { recursive: true });
  };
  return { archive: await reopen(), reopen, cleanup };
});

const APPENDER = join(import.meta.dirname, '../helpers/archive-appender.mjs');

const appenderArguments = (dir: string, { matchNumber, category }: TicketId, count?: number): string[] => [
  APPENDER,
  dir,
  String(matchNumber),
  String(category),
  ...(count === undefined ? [] : [String(count)]),
];

/** An appender process (test/helpers) and the positions it was acknowledged. */
class Appender {
  readonly acknowledged: [number, number][] = [];
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;
  private errors = '';
  private progress: () => void = () => undefined;

  /** `fileBlocksMax` limits the size of the files it may write (ulimit -f), as a full disk would. */
  constructor(dir: string, to: TicketId, limits: { count?: number; fileBlocksMax?: number } = {}) {
    const command = [process.execPath, ...appenderArguments(dir, to, limits.count)];
    const child = spawn(
      'sh',
      ['-c', `ulimit -f ${limits.fileBlocksMax ?? 'unlimited'}; exec "$@"`, 'sh', ...command],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.child = child;
    child.stderr.on('data', (text: Buffer) => (this.errors += text.toString()));
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      const [incarnation, sequence] = line.split(' ').map(Number);
      this.acknowledged.push([incarnation!, sequence!]);
      this.progress();
    });
    this.closed = Promise.all([once(child, 'close'), once(lines, 'close')]).finally(() => this.progress());
  }

  /** Resolves once it was acknowledged `count` more; the test's time limit is the bound. */
  async more(count: number): Promise<void> {
    const target = this.acknowledged.length + count;
    while (this.acknowledged.length < target) {
      if (this.child.exitCode !== null) throw new Error(`The appender ended early: ${this.errors}`);
      await new Promise<void>((settle) => (this.progress = settle));
    }
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }

  /** Resolves with its exit code and what it said went wrong, once it has ended by itself. */
  async end(): Promise<{ code: number | null; errors: string }> {
    await this.closed;
    return { code: this.child.exitCode, errors: this.errors };
  }
}

describe('EmbeddedArchive on a machine', () => {
  const ticket: TicketId = { matchNumber: 1, category: 1 };
  const other: TicketId = { matchNumber: 2, category: 3 };
  let dir: string;
  let appenders: Appender[];

  const append = (...[to, limits]: [TicketId, ConstructorParameters<typeof Appender>[2]?]): Appender => {
    const appender = new Appender(dir, to, limits);
    appenders.push(appender);
    return appender;
  };
  const withArchive = async <T>(use: (archive: EmbeddedArchive) => Promise<T>): Promise<T> => {
    const archive = new EmbeddedArchive({ dir });
    await archive.start();
    return use(archive).finally(() => archive.stop());
  };
  const ledgerOf = (of: TicketId): Promise<[number, number][]> =>
    withArchive(async (archive) => positionsOf(await all(archive.events(of, null))));
  /** All that was acknowledged is there, each incarnation is a run from 1, and at most one event is unasked. */
  const expectKept = (ledger: readonly [number, number][], by: Appender): void => {
    const [incarnation] = by.acknowledged[0]!;
    const kept = ledger.filter(([of]) => of === incarnation);
    expect(kept).toEqual(kept.map((_, index) => [incarnation, index + 1]));
    expect(kept.slice(0, by.acknowledged.length)).toEqual(by.acknowledged);
    expect(kept.length - by.acknowledged.length).toBeLessThanOrEqual(1);
  };

  beforeEach(async () => {
    dir = await newFolder();
    appenders = [];
  });
  afterEach(async () => {
    await Promise.all(appenders.map((appender) => appender.kill()));
    await rm(dir, { recursive: true });
  });

  test('keeps every acknowledged event when its process is killed, again and again', async () => {
    const killed: Appender[] = [];
    for (const acknowledgements of [1, 40, 7, 150]) {
      const appender = append(ticket);
      await appender.more(acknowledgements);
      await appender.kill();
      killed.push(appender);
      const ledger = await ledgerOf(ticket);
      for (const each of killed) expectKept(ledger, each);
    }
  }, 60_000);

  test('lets two processes append to different tickets at the same time', async () => {
    const pair = [append(ticket, { count: 200 }), append(other, { count: 200 })];
    const good = { code: 0, errors: '' };
    expect(await Promise.all(pair.map((appender) => appender.end()))).toEqual([good, good]);
    const run = Array.from({ length: 200 }, (_, index) => [1, index + 1]);
    expect(await ledgerOf(ticket)).toEqual(run);
    expect(await ledgerOf(other)).toEqual(run);
  }, 60_000);

  test('goes on when another process is killed in the middle of its writes', async () => {
    const survivor = append(other);
    await survivor.more(1);
    const killed: Appender[] = [];
    for (let round = 0; round < 4; round += 1) {
      const victim = append(ticket);
      await victim.more(20);
      await victim.kill();
      killed.push(victim);
      await survivor.more(20);
    }
    await survivor.kill();
    const ledger = await ledgerOf(ticket);
    for (const each of killed) expectKept(ledger, each);
    expectKept(await ledgerOf(other), survivor);
  }, 60_000);

  test('sees what another process wrote, even in the turn of the event loop in which it read before', async () => {
    await withArchive(async (archive) => {
      expect(await archive.head(ticket)).toBeNull();
      // Nothing of this process runs meanwhile, lmdb's own renewal of its read transaction included.
      const { status } = spawnSync(process.execPath, appenderArguments(dir, ticket, 3));
      expect(await archive.head(ticket)).toEqual({ incarnation: 1, sequence: 3 });
      expect(status).toBe(0);
    });
  }, 60_000);

  test('loses nothing and says so when the disk takes no more', async () => {
    const appender = append(ticket, { fileBlocksMax: 400 });
    const { code, errors } = await appender.end();
    expect(code).toBe(1);
    expect(errors).toContain('ArchiveUnavailableError');
    expect(appender.acknowledged.length).toBeGreaterThan(0);
    expectKept(await ledgerOf(ticket), appender);
    const later = append(ticket, { count: 10 });
    expect((await later.end()).code).toBe(0);
    expectKept(await ledgerOf(ticket), later);
  }, 60_000);

  test('fences a process by what this one decides', async () => {
    const appender = append(ticket);
    await appender.more(10);
    await withArchive(async (archive) => {
      const { incarnation, head } = await archive.openIncarnation(ticket);
      expect(incarnation).toBe(2);
      await archive.append([batchOf(ticket, 2, 1, 1)]);
      // The other process does not look at its results and goes on; none of it may arrive.
      await appender.more(20);
      expect(await archive.head(ticket)).toEqual({ incarnation: 2, sequence: 1 });
      const before = await all(archive.events(ticket, null));
      expect(positionsOf(before).slice(-2)).toEqual([
        [1, head!.sequence],
        [2, 1],
      ]);
    });
  }, 60_000);

  test('grows past the address space it reserved', async () => {
    const archive = new EmbeddedArchive({ dir, mapBytes: 1 << 20 });
    await archive.start();
    for (let from = 1; from <= 8_000; from += 2_000) {
      await archive.append([batchOf(ticket, 1, from, from + 1_999)]);
    }
    expect(await all(archive.events(ticket, null))).toEqual(batchOf(ticket, 1, 1, 8_000).events);
    await archive.stop();
  }, 60_000);

  test('is read while another process writes, without a write and always as a prefix', async () => {
    const appender = append(ticket);
    await appender.more(5);
    const reader = new EmbeddedArchive({ dir, isReadOnly: true });
    await reader.start();
    let seen = 0;
    for (let round = 0; round < 20; round += 1) {
      const acknowledged = appender.acknowledged.length;
      const read = positionsOf(await all(reader.events(ticket, null)));
      expect(read).toEqual(read.map((_, index) => [1, index + 1]));
      expect(read.length).toBeGreaterThanOrEqual(acknowledged);
      expect(read.length).toBeGreaterThanOrEqual(seen);
      seen = read.length;
      await appender.more(10);
    }
    await expect(reader.append([batchOf(other, 1, 1, 1)])).rejects.toThrow('reading only');
    await expect(new EmbeddedArchive({ dir }).start()).rejects.toThrow('open for reading');
    await reader.stop();
    await appender.kill();
    expect(await ledgerOf(other)).toEqual([]);
  }, 60_000);

  test('is not made by who only reads, nor read where readers cannot be seen', async () => {
    const reads = async (of: string): Promise<void> => {
      const reader = new EmbeddedArchive({ dir: of, isReadOnly: true });
      await reader.start();
      await reader.stop();
    };
    await expect(reads(join(dir, 'nowhere'))).rejects.toThrow(/There is no archive in .*nowhere/);
    await expect(reads(dir)).rejects.toBeInstanceOf(ArchiveRefusedError);
    expect(await readdir(dir)).toEqual([]);
    await withArchive((archive) => archive.append([batchOf(ticket, 1, 1, 1)]));
    await reads(dir);
    if (process.getuid?.() === 0) return;
    await chmod(join(dir, 'archive.mdb-lock'), 0o400);
    await expect(reads(dir)).rejects.toThrow(/archive.mdb-lock cannot be written.*user/);
  });

  test('names the folder that cannot be written', async () => {
    const file = join(dir, 'a file');
    await writeFile(file, '');
    const start = new EmbeddedArchive({ dir: join(file, 'archive') }).start();
    await expect(start).rejects.toThrow(join(file, 'archive'));
    await expect(start).rejects.toBeInstanceOf(ArchiveUnavailableError);
  });

  test('makes the folder, with those above it', async () => {
    const archive = new EmbeddedArchive({ dir: join(dir, 'some', 'where') });
    await archive.start();
    await archive.append([batchOf(ticket, 1, 1, 1)]);
    expect(await archive.head(ticket)).toEqual({ incarnation: 1, sequence: 1 });
    await archive.stop();
  });

  test('refuses a folder that a newer version wrote, and leaves it alone', async () => {
    await withArchive((archive) => archive.append([batchOf(ticket, 1, 1, 1)]));
    const setSchema = async (version: number): Promise<void> => {
      const root = open({ path: join(dir, 'archive.mdb'), encoding: 'string', overlappingSync: false });
      await root.openDB({ name: 'meta', encoding: 'string' }).put('schema', String(version));
      await root.close();
    };
    await setSchema(EMBEDDED_SCHEMA + 1);
    await expect(new EmbeddedArchive({ dir }).start()).rejects.toThrow(
      new RegExp(`${dir}.*newer.*schema ${EMBEDDED_SCHEMA + 1}`),
    );
    await setSchema(EMBEDDED_SCHEMA);
    expect(await ledgerOf(ticket)).toHaveLength(1);
  });
});
