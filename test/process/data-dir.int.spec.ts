import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  openDataDir,
  processStarted,
  readOrCreateSecret,
  readSecrets,
  StartupError,
} from '../../src/process/data-dir.js';

let dir: string;
const NONE = { tokenSecret: undefined, serviceToken: undefined };

beforeEach(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'ticktak-data-')));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe('openDataDir', () => {
  it('creates the folder for its owner only', async () => {
    const { path } = await openDataDir(join(dir, 'a', 'b'), { exclusive: true });
    expect(path).toBe(join(dir, 'a', 'b'));
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it('refuses a folder that cannot be written, in one line', async () => {
    await writeFile(join(dir, 'file'), '');
    const failure = openDataDir(join(dir, 'file', 'data'), { exclusive: false });
    await expect(failure).rejects.toThrow(StartupError);
    await expect(failure).rejects.toThrow(
      /^The data folder .* cannot be written: ENOTDIR.* Set DATA_DIR to one that can\.$/,
    );
  });

  it('refuses a second all-in-one process, until the first gives it up', async () => {
    const first = await openDataDir(dir, { exclusive: true });
    await expect(openDataDir(dir, { exclusive: true })).rejects.toThrow(
      `The data folder ${dir} is in use by ticktak process ${process.pid}. Stop it, or set DATA_DIR to another folder.`,
    );
    await first.release();
    await (await openDataDir(dir, { exclusive: true })).release();
    expect(await readdir(dir)).toHaveLength(1);
  });

  it('lets roles share the folder', async () => {
    await openDataDir(dir, { exclusive: false });
    await openDataDir(dir, { exclusive: false });
  });

  it('takes the folder over from a process that was killed', async () => {
    const other = spawn('sleep', ['60']);
    await once(other, 'spawn');
    const holder = JSON.stringify({ pid: other.pid, started: await processStarted(other.pid!) });
    await writeFile(join(dir, 'ticktak.lock.7'), holder);
    await expect(openDataDir(dir, { exclusive: true })).rejects.toThrow(`process ${other.pid!}`);
    other.kill('SIGKILL');
    await once(other, 'exit');
    await (await openDataDir(dir, { exclusive: true })).release();
  });

  it.each([
    ['whose process id was used again', JSON.stringify({ pid: process.pid, started: 'long ago' })],
    ['that is damaged', '{"pid":'],
  ])('takes over a lock %s', async (_what, content) => {
    await writeFile(join(dir, 'ticktak.lock.7'), content);
    await openDataDir(dir, { exclusive: true });
    expect(await readdir(dir)).toEqual(['ticktak.lock.8']);
    expect(await readFile(join(dir, 'ticktak.lock.8'), 'utf8')).toContain(`"pid":${process.pid}`);
  });

  it('is won by one of many that come at once', async () => {
    await writeFile(join(dir, 'ticktak.lock.7'), JSON.stringify({ pid: process.pid, started: 'long ago' }));
    const all = Array.from({ length: 20 }, () => openDataDir(dir, { exclusive: true }));
    const results = await Promise.allSettled(all);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('secrets', () => {
  it('are generated once, each its own, readable by their owner only', async () => {
    const secrets = await readSecrets(dir, NONE);
    expect(await readSecrets(dir, NONE)).toEqual(secrets);
    const all = Object.values(secrets) as string[];
    expect(new Set(all).size).toBe(2);
    for (const secret of all) expect(secret.length).toBeGreaterThanOrEqual(32);
    // Nothing that opens the dashboard is made: operators have accounts.
    expect((await readdir(join(dir, 'secrets'))).sort()).toEqual(['service-token', 'token-secret']);
    for (const name of ['token-secret', 'service-token']) {
      expect((await stat(join(dir, 'secrets', name))).mode & 0o777).toBe(0o600);
    }
  });

  it('are as configured when they are', async () => {
    const configured = { tokenSecret: 't', serviceToken: 's' };
    expect(await readSecrets(dir, configured)).toEqual(configured);
    expect(await readdir(dir)).toEqual([]);
  });

  it('are the same for all who ask at once', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => readOrCreateSecret(join(dir, 'secret'))));
    expect(new Set(all).size).toBe(1);
    expect(await readdir(dir)).toEqual(['secret']);
  });

  it('are made private again, and refused when damaged', async () => {
    const path = join(dir, 'secret');
    await readOrCreateSecret(path);
    await chmod(path, 0o644);
    await readOrCreateSecret(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeFile(path, 'x');
    await expect(readOrCreateSecret(path)).rejects.toThrow(`${path} is damaged: remove it`);
  });
});
