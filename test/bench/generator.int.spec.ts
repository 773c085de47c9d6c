/** What the benchmark makes of the programs that measure for it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runMeasuring } from '../../bench/generator.js';

const MEASURING = { warmUpSeconds: 0, seconds: 0, onBegin: () => undefined };
const FOUND = { count: 2, seconds: 1, perSecond: 2, latency: null, failed: {} };

describe('a program that measures', () => {
  let dir = '';
  const program = (text: string): URL => {
    const file = join(dir, 'measuring.mjs');
    writeFileSync(file, text);
    return pathToFileURL(file);
  };
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'ticktak-bench-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('is heard when it begins, and at its end', async () => {
    let begun = 0;
    const onBegin = () => void (begun += 1);
    const file = program(`console.log('begin'); console.log(${JSON.stringify(JSON.stringify(FOUND))})`);
    expect(await runMeasuring(file, {}, { ...MEASURING, onBegin })).toEqual(FOUND);
    expect(begun).toBe(1);
  });

  it('is ended when it does not end by itself', async () => {
    const file = program(`console.log('begin'); setInterval(() => undefined, 1_000)`);
    await expect(runMeasuring(file, {}, MEASURING, 500)).rejects.toThrow(
      'measuring.mjs did not end within 0.5 s',
    );
  });

  it('rejects when it fails', async () => {
    await expect(runMeasuring(program('process.exit(3)'), {}, MEASURING)).rejects.toThrow(
      'measuring.mjs ended with 3',
    );
  });
});
