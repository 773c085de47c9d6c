/** Puts what the stream tells into the list of matches; a match that did not change stays the same object. */
import { CATEGORIES, type CategoryView, type LiveTicket, type MatchView } from '../api/types';

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
    a.paused === b.paused
  );
}

/**
 * Whether sales of a ticket were paused, resumed or closed: the notice of its match, which the stream does not tell,
 * has then changed too.
 */
export function hasNewNotice(matches: readonly MatchView[], tickets: readonly LiveTicket[]): boolean {
  const byNumber = new Map(matches.map((match) => [match.matchNumber, match]));
  return tickets.some(({ matchNumber, category, paused, closed }) => {
    const known = CATEGORIES.find((one) => one === category);
    const view = known && byNumber.get(matchNumber)?.availability[`category${known}`];
    return view !== undefined && (view.paused !== paused || view.closed !== closed);
  });
}

/**
 * The list as it was read anew, with the figures the stream has told: an answer may be older than they are. A match
 * that did not change stays the same object.
 */
export function withFacts(known: readonly MatchView[], read: readonly MatchView[]): readonly MatchView[] {
  const byNumber = new Map(known.map((match) => [match.matchNumber, match]));
  return read.map((match) => {
    const before = byNumber.get(match.matchNumber);
    if (!before) return match;
    const next = { ...match, availability: before.availability };
    return JSON.stringify(next) === JSON.stringify(before) ? before : next;
  });
}

/** Whether the stream knows of matches that the list lacks: then the list is to be read again. */
export function hasUnknownMatch(matches: readonly MatchView[], tickets: readonly LiveTicket[]): boolean {
  const known = new Set(matches.map(({ matchNumber }) => matchNumber));
  return tickets.some(({ matchNumber }) => !known.has(matchNumber));
}
