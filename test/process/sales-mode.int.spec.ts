/** How tickets are sold is chosen once, on a real embedded archive. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { StartupError } from '../../src/process/data-dir.js';
import { keepSalesMode, type SalesMode } from '../../src/process/sales-mode.js';

describe('the way of selling', () => {
  let dir: string;
  let archive: EmbeddedArchive;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ticktak-mode-'));
    archive = new EmbeddedArchive({ dir });
    await archive.start();
  });
  afterEach(async () => {
    await archive.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  const keep = (mode: SalesMode, hasSold = false): Promise<void> =>
    keepSalesMode(archive, mode, () => Promise.resolve(hasSold));

  it('is that of the first start, for good', async () => {
    await keep('ordered');
    await keep('ordered', true);
    await expect(keep('optimistic', true)).rejects.toThrow(StartupError);
    await expect(keep('optimistic')).rejects.toThrow('this marketplace sells with SALES_MODE=ordered');
  });

  it('is at once for who has sold before there was another', async () => {
    await expect(keep('ordered', true)).rejects.toThrow('this marketplace sells with SALES_MODE=optimistic');
    await keep('optimistic', true);
  });

  it('is one for all processes that start together', async () => {
    const starts = await Promise.allSettled([keep('ordered'), keep('optimistic'), keep('ordered')]);
    const modes = ['ordered', 'optimistic', 'ordered'] as const;
    const taken = modes.filter((_, i) => starts[i]?.status === 'fulfilled');
    expect(taken.length).toBeGreaterThan(0);
    expect(new Set(taken).size).toBe(1);
  });
});
