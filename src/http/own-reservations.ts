/** The reservations of an account. */
import type { Clock } from '../actors/ports.js';
import type { Archive, Page } from '../archive/port.js';
import type { AccountIndex } from '../redis/account-index.js';
import type { Reservation } from '../rules/index.js';
import type { Principal } from '../users/principal.js';
import { bounded } from './bounded.js';
import { owns } from './buyer.js';
import type { ReservationReader } from './ports.js';

export interface OwnReservationsOptions {
  /** Newest first. */
  readonly archived: Pick<Archive, 'reservationsByEmail'>;
  readonly accountIndex: Pick<AccountIndex, 'newest'>;
  readonly reader: ReservationReader;
  readonly clock: Clock;
  /** How long the archive and the index may take each. */
  readonly waitMs: number;
}

/** What the archive has, as it stands now, and on the first page what is too new for it. */
export async function ownReservations(
  { archived, accountIndex, reader, clock, waitMs }: OwnReservationsOptions,
  principal: Principal,
  page: { readonly limit: number; readonly after?: string },
): Promise<Page<Reservation>> {
  const [past, newest] = await Promise.all([
    bounded(clock, waitMs, 'archive', archived.reservationsByEmail(principal.email, page)),
    page.after === undefined
      ? bounded(clock, waitMs, 'account index', accountIndex.newest(principal.accountId, page.limit))
      : [],
  ]);
  const ids = new Set([...newest, ...past.items.map(({ id }) => id)]);
  const found = await Promise.all([...ids].map((id) => reader.find(id)));
  const items = found.filter((one) => one !== null).filter((one) => owns(principal, one));
  return { ...past, items };
}
