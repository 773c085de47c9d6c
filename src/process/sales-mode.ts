/**
 * How tickets are sold here, at once or in the order of the log, is chosen before the first sale and kept. Guarantee: no
 * process starts in another mode than the one in which its marketplace has sold.
 */
import { z } from 'zod';
import { Collection, type Documents } from '../archive/documents.js';
import { StartupError } from './data-dir.js';

export type SalesMode = 'optimistic' | 'ordered';

const ID = 'mode';
const schema = z.object({ mode: z.enum(['optimistic', 'ordered']) });

/** Throws `StartupError` when this marketplace sells in another mode. `hasSold`: whether any of its tickets was ever opened. */
export async function keepSalesMode(
  documents: Documents,
  mode: SalesMode,
  hasSold: () => Promise<boolean>,
): Promise<void> {
  const kept = new Collection(documents, { name: 'salesMode', schema });
  const found = await kept.get(ID);
  // What has sold without a word of it has sold at once.
  const before = found?.value.mode ?? ((await hasSold()) ? 'optimistic' : undefined);
  if (before === mode) return;
  if (before === undefined && (await kept.insert(ID, { mode }))) return;
  const now = before ?? (await kept.get(ID))?.value.mode;
  if (now === mode) return;
  throw new StartupError(
    `SALES_MODE=${mode}, but this marketplace sells with SALES_MODE=${now}: what it has sold so far cannot be told in the ` +
      `other way. Start it with SALES_MODE=${now}, or begin with an empty store and a sales topic of its own.`,
  );
}
