/** What the API answers, as the pages use it. The services document themselves at `/api/v1/openapi.json`. */

export type TicketStatus = 'available' | 'temporarily_unavailable' | 'sold_out';
export const TICKET_STATUSES = ['available', 'temporarily_unavailable', 'sold_out'] as const;
export type Category = 1 | 2 | 3;
export const CATEGORIES = [1, 2, 3] as const satisfies readonly Category[];

export type SaleAccess = 'code' | 'country';

/** What buyers are told of one phase of a sale. */
export interface SalePhase {
  readonly name?: string;
  readonly opensAt?: string;
  readonly closesAt?: string;
  /** Absent: for everybody. */
  readonly access?: SaleAccess;
  /** ISO 3166-1 alpha-2. */
  readonly countries?: readonly string[];
  readonly ticketsPerPersonMax?: number;
  readonly ticketsPerReservationMax?: number;
  /** With one code, whoever uses it. */
  readonly ticketsPerCodeMax?: number;
}

/** The phase that sales of a category are in; with `not_yet`, the one that opens first. */
export interface SaleView extends SalePhase {
  readonly state: 'not_yet' | 'presale' | 'open' | 'closed';
  /** Opens after the one told here. */
  readonly next?: SalePhase;
  /** Are on at the same time: a presale by code, say, beside one by country. */
  readonly also?: readonly SalePhase[];
}

export interface CategoryView {
  /** Not sold anywhere. */
  readonly available: number;
  /** What can be held now. */
  readonly pending: number;
  readonly price: number;
  readonly status: TicketStatus;
  readonly closed?: true;
  /** Sales are paused by the operators. */
  readonly paused?: true;
  /** Only where the operators have set phases. */
  readonly sale?: SaleView;
}

/** What operators tell buyers; English always. */
export interface BuyersText {
  readonly en: string;
  readonly ar?: string;
}

/** What is out of the ordinary with a match. */
export interface MatchNotice {
  readonly kind: 'paused' | 'cancelled' | 'rescheduled';
  readonly message?: BuyersText;
  /** As it was before it was rescheduled. */
  readonly previousDateUtc?: string;
  readonly previousLocation?: string;
  /** Until when tickets can be given back because of that. */
  readonly refundUntil?: string;
}

export interface MatchView {
  readonly matchNumber: number;
  readonly roundNumber: number;
  readonly dateUtc: string;
  readonly location: string;
  readonly availability: Readonly<Record<`category${Category}`, CategoryView>>;
  readonly homeTeam: string;
  readonly awayTeam: string;
  readonly group: string | null;
  /** ISO 4217, lower case. */
  readonly currency?: string;
  readonly notice?: MatchNotice;
}

/** One ticket as the live stream tells it. */
/** What the stream tells of a match itself. */
export interface LiveMatch extends Pick<MatchView, 'matchNumber' | 'dateUtc' | 'location'> {
  readonly notice?: MatchNotice;
}

export interface LiveTicket extends CategoryView {
  readonly matchNumber: number;
  readonly category: number;
}

export type RecommendedReason =
  | { readonly kind: 'your_team' | 'neighbour_team'; readonly team: string }
  | { readonly kind: 'popular_in_country'; readonly country: string }
  | { readonly kind: 'popular' }
  /** Days after a match that is held; below 0 before it. */
  | { readonly kind: 'same_city'; readonly city: string; readonly days: number }
  | { readonly kind: 'bought_together'; readonly item: number };

export interface Recommendation {
  readonly match: MatchView;
  /** Most telling first. */
  readonly because: readonly RecommendedReason[];
}

export interface Recommendations {
  readonly recommendations: readonly Recommendation[];
  /** `popularity` while nothing was learned. */
  readonly model: { readonly name: string };
  /** Where the visitor was taken to be. */
  readonly country: { readonly code: string; readonly from: 'chosen' | 'booking' | 'address' } | null;
}

export type ReservationStatus = 'PENDING' | 'PAYING' | 'RESERVED' | 'CANCELLED' | 'EXPIRED' | 'REFUNDED';

export interface Reservation {
  readonly id: string;
  readonly status: ReservationStatus;
  readonly matchNumber: number;
  readonly category: number;
  readonly quantity: number;
  readonly unitPrice: number;
  readonly currency: string;
  readonly email: string;
  readonly createdAt: string;
  /** End of the hold. */
  readonly expiresAt: string;
  readonly reason?: 'cancelled' | 'declined' | 'expired' | 'paid' | 'refunded';
}

export interface HeldReservation extends Reservation {
  readonly token: string;
}

export interface Account {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly emailConfirmed: boolean;
  readonly secondFactor: boolean;
  readonly createdAt: string;
}

export interface LogIn {
  readonly accessToken: string;
  readonly expiresAt: string;
  readonly account: Account;
}
