/** How many may be asked for, and what is sent. */
import type { CategoryView } from '../../api/types';

/** Until the shop has told its own, which is the usual one. */
export const QUANTITY_MAX = 2;

/** Between 1 and what the shop allows and the category has left; at least 1, so that the field always has a value. */
export function quantityMax(view: CategoryView, perReservationMax: number): number {
  return Math.max(1, Math.min(perReservationMax, view.pending));
}

export const withinLimit = (quantity: number, max: number): number => Math.min(Math.max(1, quantity), max);

export const EMAIL_CHARS_MAX = 254;

/** Only what cannot be an address is refused here; the server decides. */
export const canBeEmail = (text: string): boolean =>
  text.length <= EMAIL_CHARS_MAX && /^[^\s@]+@[^\s@]+\.[^\s@]{2,}$/.test(text.trim());
