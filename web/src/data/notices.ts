/** What is out of the ordinary with a match, as buyers are told. Pure. */
import { CATEGORIES, type BuyersText, type Category, type MatchView } from '../api/types';
import { isRecord } from '../api/problem';
import { standingOf, categoryOf } from './availability';

export interface Told {
  readonly isCancelled: boolean;
  /** Categories whose sales are paused; none when the match is cancelled. */
  readonly paused: readonly Category[];
  /** Whether nothing of the match can be bought before sales go on. */
  readonly isAllPaused: boolean;
  /** What differed before the match was rescheduled; null when it was not. */
  readonly previous: { readonly dateUtc?: string; readonly location?: string } | null;
  /** Of the operators, about the first of these that is true. */
  readonly message: BuyersText | null;
}

/** Null when there is nothing to tell. */
export function toldOf(match: MatchView): Told | null {
  const { notice } = match;
  const isCancelled = notice?.kind === 'cancelled';
  const paused = isCancelled
    ? []
    : CATEGORIES.filter((category) => standingOf(categoryOf(match, category)) === 'paused');
  const previous = previousOf(match);
  if (!isCancelled && paused.length === 0 && previous === null) return null;
  // Sales may have gone on since the notice was read: the stream is quicker.
  const isOver = notice?.kind === 'paused' && paused.length === 0;
  return {
    isCancelled,
    paused,
    isAllPaused:
      paused.length > 0 &&
      CATEGORIES.every((category) =>
        ['paused', 'closed', 'sold_out'].includes(standingOf(categoryOf(match, category))),
      ),
    previous,
    message: isOver ? null : (notice?.message ?? null),
  };
}

function previousOf({ notice, dateUtc, location }: MatchView): Told['previous'] {
  if (!notice) return null;
  const { kind, previousDateUtc, previousLocation } = notice;
  const isMoved = previousDateUtc !== undefined && Date.parse(previousDateUtc) !== Date.parse(dateUtc);
  const isElsewhere = previousLocation !== undefined && previousLocation !== location;
  if (!isMoved && !isElsewhere && kind !== 'rescheduled') return null;
  return {
    ...(isMoved && { dateUtc: previousDateUtc }),
    ...(isElsewhere && { location: previousLocation }),
  };
}

/** A text in the reader's language, or else in English; `lang` is that of the text. */
export function textIn(text: BuyersText, code: string): { readonly text: string; readonly lang: string } {
  return code === 'ar' && text.ar !== undefined && text.ar !== ''
    ? { text: text.ar, lang: 'ar' }
    : { text: text.en, lang: 'en' };
}

/** What a problem carries; null for what is no such text. */
export function buyersTextOf(value: unknown): BuyersText | null {
  if (!isRecord(value) || typeof value['en'] !== 'string') return null;
  const { en, ar } = value;
  return { en, ...(typeof ar === 'string' && { ar }) };
}
