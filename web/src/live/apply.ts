/** Puts what the stream tells into the list of matches; a match that did not change stays the same object. */
import { CATEGORIES, type CategoryView, type LiveMatch, type LiveTicket, type MatchView } from '../api/types';

export function applyTickets(
  matches: readonly MatchView[],
  tickets: readonly LiveTicket[],
): readonly MatchView[] {
  const byMatch = new Map<number, LiveTicket[]>();
  for (const ticket of tickets) {
    const known = byMatch.get(ticket.matchNumber);
    if (known) known.push(ticket);
    else byMatch.set(ticket.matchNumber, [ticket]);
  }
  let isChanged = false;
  const next = matches.map((match) => {
    const applied = applied1(match, byMatch.get(match.matchNumber) ?? []);
    isChanged ||= applied !== match;
    return applied;
  });
  return isChanged ? next : matches;
}

function applied1(match: MatchView, tickets: readonly LiveTicket[]): MatchView {
  let availability = match.availability;
  for (const { matchNumber: _, category, ...view } of tickets) {
    const known = CATEGORIES.find((one) => one === category);
    if (known === undefined || isSame(availability[`category${known}`], view)) continue;
    availability = { ...availability, [`category${known}`]: view };
  }
  return availability === match.availability ? match : { ...match, availability };
}

function isSame(a: CategoryView, b: CategoryView): boolean {
  return (
    a.available === b.available &&
    a.pending === b.pending &&
    a.price === b.price &&
    a.status === b.status &&
    a.closed === b.closed &&
    a.paused === b.paused &&
    isAlike(a.sale, b.sale)
  );
}

const isAlike = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

/** Puts when and where matches are played, and what operators tell of them, into the list. */
export function applyFacts(matches: readonly MatchView[], told: readonly LiveMatch[]): readonly MatchView[] {
  const byNumber = new Map(told.map((live) => [live.matchNumber, live]));
  let isChanged = false;
  const next = matches.map((match) => {
    const live = byNumber.get(match.matchNumber);
    if (!live || isTold(match, live)) return match;
    isChanged = true;
    const { notice: _, ...rest } = match;
    return { ...rest, ...live };
  });
  return isChanged ? next : matches;
}

const isTold = ({ dateUtc, location, notice }: MatchView, live: LiveMatch): boolean =>
  dateUtc === live.dateUtc && location === live.location && isAlike(notice, live.notice);

/**
 * The list as it was read anew, with the figures the stream has told: an answer may be older than they are. Phases of
 * sales are those that were read. A match that did not change stays the same object.
 */
export function withFacts(known: readonly MatchView[], read: readonly MatchView[]): readonly MatchView[] {
  const byNumber = new Map(known.map((match) => [match.matchNumber, match]));
  return read.map((match) => {
    const before = byNumber.get(match.matchNumber);
    if (!before) return match;
    const next = { ...match, availability: withSales(before.availability, match.availability) };
    return isAlike(next, before) ? before : next;
  });
}

type Availability = MatchView['availability'];

function withSales(figures: Availability, { category1, category2, category3 }: Availability): Availability {
  const one = ({ sale: _, ...view }: CategoryView, read: CategoryView): CategoryView =>
    read.sale ? { ...view, sale: read.sale } : view;
  return {
    category1: one(figures.category1, category1),
    category2: one(figures.category2, category2),
    category3: one(figures.category3, category3),
  };
}

/** Whether the stream knows of matches that the list lacks: then the list is to be read again. */
export function hasUnknownMatch(matches: readonly MatchView[], tickets: readonly LiveTicket[]): boolean {
  const known = new Set(matches.map(({ matchNumber }) => matchNumber));
  return tickets.some(({ matchNumber }) => !known.has(matchNumber));
}
