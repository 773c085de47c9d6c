/**
 * How tickets are sold here, at once or in the order of the log, is chosen before the first sale and kept. Guarantee: no
 * process starts in another mode than the one in which its marketplace has sold.
 */
import { z } from 'zod';
import { Collection, type Documents } from '../archive/documents.js';
import { StartupError } from './data-dir.js';

export type SalesMode = 'optimistic' | 'ordered';

/** Whether the log grants holds. */
export const isOrdered = ({ salesMode }: { readonly salesMode: SalesMode }): boolean =>
  salesMode === 'ordered';

const ID = 'mode';
const schema = z.object({ mode: z.enum(['optimistic', 'ordered']) });

/** Throws `StartupError` when this marketplace sells in another mode. `hasSold`: whether any of its tickets was ever opened. */
export async function keepSalesMode(
  documents: Documents,
  mode: SalesMode,
  hasSold: () => Promise<boolean>,
): Promise<void> {
  const kept = new Collection(documents, { name: 'salesMode', schema });
  const find = async (): Promise<SalesMode | undefined> => (await kept.get(ID))?.value.mode;
  // What has sold without a word of it has sold at once.
  const choose = async (): Promise<SalesMode | undefined> => {
    const chosen = (await hasSold()) ? 'optimistic' : mode;
    return (await kept.insert(ID, { mode: chosen })) ? chosen : find();
  };
  const now = (await find()) ?? (await choose());
  if (now === mode) return;
  throw new StartupError(
    `SALES_MODE=${mode}, but this marketplace sells with SALES_MODE=${now}: what it has sold so far cannot be told in the ` +
      `other way. Start it with SALES_MODE=${now}, or begin with an empty store and a sales topic of its own.`,
  );
}
