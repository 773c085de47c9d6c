/**
 * What people looked at and looked for, on the way to the data lake. Guarantees: only what a visitor agreed to comes
 * here; an event is counted once, however often its client sends it; what is waiting has a limit.
 */

/** A visitor looked at a match. */
export interface MatchView {
  /** Made by the client (a UUID): the same one again is the same event. */
  readonly id: string;
  readonly kind: 'view';
  readonly matchNumber: number;
  /** Account id, or the id that the visitor's browser keeps; the lake has its salted hash. Null: nobody is named. */
  readonly visitor: string | null;
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null;
}

/** A visitor searched. Free text is never kept: only names that the catalog has. */
export interface CatalogSearch {
  readonly id: string;
  readonly kind: 'search';
  /** Names of teams, cities and stadiums. */
  readonly terms: readonly string[];
  /** Matches that were found. */
  readonly results: number;
  readonly visitor: string | null;
  readonly country: string | null;
}

export type ViewEvent = MatchView | CatalogSearch;

export interface ViewIntake {
  /** `full`: too many are waiting; none of these was taken. */
  take(views: readonly ViewEvent[]): Promise<'taken' | 'full'>;
}
