/** What a round is called, told from the list itself: other lists have other numbers of rounds. */
import type { MatchView } from '../api/types';

export type Stage =
  | { readonly kind: 'group'; readonly round: number }
  | { readonly kind: 'last16' | 'quarter' | 'semi' | 'third' | 'final' | 'finals' }
  | { readonly kind: 'other'; readonly round: number };

const BY_COUNT = { 8: 'last16', 4: 'quarter', 2: 'semi', 1: 'final' } as const;
const isCounted = (count: number): count is keyof typeof BY_COUNT => count in BY_COUNT;

export class Stages {
  readonly #byRound = new Map<number, readonly MatchView[]>();
  readonly #lastRound: number;

  constructor(matches: readonly MatchView[]) {
    for (const match of matches) {
      this.#byRound.set(match.roundNumber, [...(this.#byRound.get(match.roundNumber) ?? []), match]);
    }
    this.#lastRound = Math.max(0, ...this.#byRound.keys());
  }

  get rounds(): readonly number[] {
    return [...this.#byRound.keys()].sort((a, b) => a - b);
  }

  ofRound(round: number): Stage {
    const matches = this.#byRound.get(round) ?? [];
    if (matches.some(({ group }) => group !== null)) return { kind: 'group', round };
    if (round === this.#lastRound && matches.length === 2) return { kind: 'finals' };
    return isCounted(matches.length) ? { kind: BY_COUNT[matches.length] } : { kind: 'other', round };
  }

  of(match: MatchView): Stage {
    const stage = this.ofRound(match.roundNumber);
    if (stage.kind !== 'finals') return stage;
    const both = this.#byRound.get(match.roundNumber) ?? [];
    const isLast = both.every(({ matchNumber }) => matchNumber <= match.matchNumber);
    return { kind: isLast ? 'final' : 'third' };
  }
}
