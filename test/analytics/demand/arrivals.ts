/**
 * Made-up sales of several shapes, to judge forecasts by what came afterwards. Seeded: the same every time. Their
 * assumptions are ours and not those of the forecast: it is told nothing of shapes.
 */
import type { SalesHour } from '../../../src/analytics/demand/history.js';
import { seeded, type Random } from '../../../src/peer/random.js';

export const SHAPES = ['steady', 'bursts', 'decaying', 'day and night', 'rising at the end'] as const;
export type Shape = (typeof SHAPES)[number];

export interface Arrivals {
  readonly capacity: number;
  /** Net sales by the hour from the beginning of the sale until its end, as long as there are any left. */
  readonly hours: readonly SalesHour[];
  /** Hour in which the last one was sold; null: it never sold out. */
  readonly soldOutHour: number | null;
}

export interface World {
  readonly shape: Shape;
  /** From the first sale to kick-off. */
  readonly saleHours: number;
  readonly tickets: readonly Arrivals[];
}

/** Tickets of a market, and their kinds: five kinds of different demand, which the forecast knows only as names. */
export function worldOf(shape: Shape, seed: number, tickets = 48, saleDays = 60): World {
  const random = seeded(seed, SHAPES.indexOf(shape));
  const saleHours = saleDays * 24;
  // Share of tickets that would be sold in the time of the sale, if nobody stopped: some sell out and some do not.
  const kinds = Array.from({ length: KINDS }, () => 0.6 + 1.8 * random());
  const made = Array.from({ length: tickets }, (_, i) => {
    const capacity = [20, 60, 200, 600][i % 4] ?? 20;
    const demand = (kinds[i % KINDS] ?? 1) * capacity * Math.exp(0.5 * normal(random));
    return arrivalsOf(shape, { capacity, demand, saleHours, random });
  });
  return { shape, saleHours, tickets: made };
}

export const KINDS = 4;

interface Wanted {
  readonly capacity: number;
  /** Tickets that are wanted in the whole time. */
  readonly demand: number;
  readonly saleHours: number;
  readonly random: Random;
}

/** People buy one to four at once; one sale in thirty is given back some days later. */
const SIZES = [1, 2, 2, 2, 3, 4];
const SIZE_MEAN = SIZES.reduce((a, b) => a + b, 0) / SIZES.length;
const REFUNDED = 1 / 30;

function arrivalsOf(shape: Shape, { capacity, demand, saleHours, random }: Wanted): Arrivals {
  const rates = ratesOf(shape, saleHours, random);
  const sum = rates.reduce((a, b) => a + b, 0);
  const refunds = new Map<number, number>();
  const hours: SalesHour[] = [];
  let left = capacity;
  let soldOutHour: number | null = null;
  for (let hour = 0; hour < saleHours && left > 0; hour += 1) {
    const refunded = refunds.get(hour) ?? 0;
    left += refunded;
    let sold = 0;
    const buyers = poisson(((rates[hour] ?? 0) / sum) * (demand / SIZE_MEAN), random);
    for (let buyer = 0; buyer < buyers && sold < left; buyer += 1) {
      const size = Math.min(left - sold, SIZES[Math.floor(random() * SIZES.length)] ?? 1);
      sold += size;
      if (random() < REFUNDED) {
        const back = hour + 1 + Math.floor(random() * 120);
        refunds.set(back, (refunds.get(back) ?? 0) + size);
      }
    }
    left -= sold;
    if (sold > 0 || refunded > 0) hours.push({ hour, sold, refunded, peers: new Map() });
    if (left <= 0) soldOutHour = hour;
  }
  return { capacity, hours, soldOutHour };
}

function ratesOf(shape: Shape, saleHours: number, random: Random): readonly number[] {
  const rates: number[] = [];
  let burst = 0;
  for (let hour = 0; hour < saleHours; hour += 1) {
    const day = hour / 24;
    // A rush begins about every six days, and is over after some hours.
    if (random() < 1 / 144) burst = 30 * -Math.log(1 - random());
    burst *= 0.8;
    rates.push(rateAt(shape, { hour, day, days: saleHours / 24, burst }));
  }
  return rates;
}

function rateAt(
  shape: Shape,
  at: { readonly hour: number; readonly day: number; readonly days: number; readonly burst: number },
): number {
  switch (shape) {
    case 'steady':
      return 1;
    case 'bursts':
      return 0.5 + at.burst;
    case 'decaying':
      return 0.1 + 2 ** (-at.day / 15);
    case 'day and night':
      return 0.05 + Math.max(0, Math.sin(((at.hour % 24) / 24) * 2 * Math.PI - Math.PI / 2) + 0.3);
    case 'rising at the end':
      return 0.6 + 2 ** ((at.day - at.days) / 8) * 2;
  }
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function poisson(mean: number, random: Random): number {
  const limit = Math.exp(-mean);
  let product = random();
  let count = 0;
  while (product > limit) {
    product *= random();
    count += 1;
  }
  return count;
}
