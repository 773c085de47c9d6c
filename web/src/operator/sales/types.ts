/** `GET /api/v1/operations/sales`. */
export const BUCKETS = ['hour', 'day'] as const;
export type Bucket = (typeof BUCKETS)[number];
export const SPLITS = ['none', 'match', 'category', 'country', 'marketplace'] as const;
export type Split = (typeof SPLITS)[number];

/** Tickets, and money in the smallest unit of the currency. */
export interface SalesFigures {
  readonly sold: number;
  readonly refunded: number;
  readonly revenueMinor: number;
  readonly refundedMinor: number;
  /** At other marketplaces; absent by country, which is not known of them, and by marketplace. */
  readonly soldElsewhere?: number;
  readonly refundedElsewhere?: number;
  /** By marketplace: tickets sold there, at our prices. */
  readonly valueMinor?: number;
}

export interface SalesPoint extends SalesFigures {
  /** When the bucket begins. */
  readonly at: string;
}

export interface SalesSeries {
  /** A match or category by number, a country by its ISO code (`ZZ` for unknown), a marketplace; `other` for the rest. */
  readonly key: string;
  readonly label?: string;
  /** This marketplace. */
  readonly isOwn?: true;
  readonly points: readonly SalesPoint[];
  readonly totals: SalesFigures;
}

export interface Sales {
  readonly from: string;
  readonly to: string;
  readonly bucket: Bucket;
  readonly by: Split;
  readonly currency: string;
  /** Counted up to here. */
  readonly asOf: string;
  /** False while what happened before is still being counted. */
  readonly isComplete: boolean;
  /** Sales in these are counted as tickets only. */
  readonly otherCurrencies?: readonly string[];
  readonly series: readonly SalesSeries[];
  readonly totals: SalesFigures;
}
