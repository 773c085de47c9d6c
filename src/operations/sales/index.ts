/**
 * Sales and revenue over time. This folder guarantees that its figures say what the ledgers say, each event once
 * (projection.ts), and that they are answered fast however long the ledgers are: months of counts are read, not
 * events (book.ts).
 */
import type { Clock } from '../../actors/ports.js';
import type { Archive } from '../../archive/port.js';
import type { Route } from '../../http/api.js';
import type { Logger } from '../../process/log.js';
import { SalesBook } from './book.js';
import type { Standing } from '../../archive/ledger-walk.js';
import { SalesProjection, type SalesProjectionOptions } from './projection.js';
import { SalesRecords } from './records.js';
import { salesFigureRoutes, type SalesFigureRoutesOptions } from './routes.js';

export interface SalesOptions
  extends
    Omit<SalesFigureRoutesOptions, 'book' | 'projection'>,
    Pick<SalesProjectionOptions, 'tickets' | 'subscribe'> {
  readonly archive: Archive;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Sales {
  readonly routes: readonly Route[];
  /** The counts, for whoever makes something else of them. */
  readonly book: Pick<SalesBook, 'read'>;
  readonly standing: () => Standing;
  start(): void;
  stop(): Promise<void>;
}

export function makeSales(options: SalesOptions): Sales {
  const records = new SalesRecords(options.archive);
  const projection = new SalesProjection({ ...options, records });
  const book = new SalesBook(records);
  return {
    routes: salesFigureRoutes({ ...options, projection, book }),
    book,
    standing: () => projection.standing(),
    start: () => projection.start(),
    stop: () => projection.stop(),
  };
}
