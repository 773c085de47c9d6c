/** How many may be asked for, and what is sent. */
import { CATEGORIES, type Category, type CategoryView, type SalePhase } from '../../api/types';

/** What one reservation may have: the shop's own limit, or the narrower one of the phase of its sale. */
export function perReservationMax(phase: SalePhase | null, shopMax: number): number {
  const { ticketsPerReservationMax, ticketsPerPersonMax, ticketsPerCodeMax } = phase ?? {};
  const limits = [shopMax, ticketsPerReservationMax, ticketsPerPersonMax, ticketsPerCodeMax];
  return Math.max(1, Math.min(...limits.map((limit) => limit ?? Infinity)));
}

/** Between 1 and what may be had and the category has left; at least 1, so that the field always has a value. */
export function quantityMax(view: CategoryView, max: number): number {
  return Math.max(1, Math.min(max, view.pending));
}

export const withinLimit = (quantity: number, max: number): number => Math.min(Math.max(1, quantity), max);

export const EMAIL_CHARS_MAX = 254;

/** Only what cannot be an address is refused here; the server decides. */
export const canBeEmail = (text: string): boolean =>
  text.length <= EMAIL_CHARS_MAX && /^[^\s@]+@[^\s@]+\.[^\s@]{2,}$/.test(text.trim());

/** What somebody had chosen, as the address of the page tells it. */
export interface Chosen {
  readonly category: Category | null;
  readonly quantity: number;
}

const QUANTITY_DIGITS = /^[1-9]\d?$/;

export function chosenIn(search: string): Chosen {
  const parameters = new URLSearchParams(search);
  const quantity = parameters.get('quantity') ?? '';
  return {
    category: CATEGORIES.find((one) => String(one) === parameters.get('category')) ?? null,
    quantity: QUANTITY_DIGITS.test(quantity) ? Number(quantity) : 1,
  };
}

/** The page of a match with what was chosen: where the waiting room leads back to. */
export const pathOf = (matchNumber: number, { category, quantity }: Chosen): string =>
  `/matches/${matchNumber}${category === null ? '' : `?category=${category}&quantity=${quantity}`}`;
