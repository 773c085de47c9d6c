/** Whether a model is any good: it is asked about the last choices, which it was not shown, beside popularity. */
import { rankerOf } from './artefact.js';
import { HISTORY_MAX } from './features.js';
import { absencesOf, firstOf, historyOf, previousRows, type Packed } from './packed.js';
import { hasRepeats, train, type TrainOptions } from './train.js';
import { countsOf } from './statistics.js';
import type { HeldOut } from './models.js';

/** The last part of the choices. */
const HELD_OUT_SHARE = 0.1;
/** Of more, every second, third and so on. */
const JUDGED_MAX = 2_000;

/** Null where there is nothing to ask about. */
export function judge(data: Packed, options: TrainOptions): HeldOut | null {
  const rows = data.at.length;
  // Choices of one moment stand on one side.
  let cut = Math.floor(rows * (1 - HELD_OUT_SHARE));
  while (cut > 0 && data.at[cut - 1] === data.at[cut]) cut -= 1;
  if (cut === 0) return null;
  const ranker = rankerOf(train(firstOf(data, cut), options));
  const counts = countsOf(data, cut);
  const mayRepeat = hasRepeats(data);
  const [previous, absences] = [previousRows(data), absencesOf(data)];
  const [model, popularity] = [new Tally(), new Tally()];
  const step = Math.max(1, Math.ceil((rows - cut) / JUDGED_MAX));
  for (let row = cut; row < rows; row += step) {
    const [now = 0, chosen = -1] = [data.at[row], data.item[row]];
    const history = historyOf(data, previous, row, HISTORY_MAX);
    const had = new Set(mayRepeat ? [] : history.map(({ item }) => item));
    const candidates = [...data.items.keys()].filter(
      (item) =>
        (data.items[item]?.at ?? Infinity) > now &&
        !had.has(item) &&
        !(absences[item] ?? []).some(([from, to]) => row >= from && row < to),
    );
    const place = candidates.indexOf(chosen);
    if (place < 0) continue;
    const idOf = (item: number): number => data.items[item]?.id ?? -1;
    const visitor = {
      country: data.countries[data.country[row] ?? -1] ?? null,
      history: history.map(({ item, at }) => ({ item: idOf(item), at })),
    };
    model.add(ranker.scores(visitor, candidates.map(idOf), now), place);
    popularity.add(
      Float64Array.from(candidates, (item) => counts[item] ?? 0),
      place,
    );
  }
  if (model.choices === 0) return null;
  return { choices: model.choices, model: model.means(), popularity: popularity.means() };
}

/** Those that tie share their places evenly. */
class Tally {
  choices = 0;
  #hits = 0;
  #gain = 0;

  add(scores: Float64Array, chosen: number): void {
    const own = scores[chosen] ?? 0;
    let [above, tied] = [0, 0];
    for (const score of scores) {
      if (score > own) above += 1;
      else if (score === own) tied += 1;
    }
    this.choices += 1;
    for (let place = above; place < above + tied; place += 1) {
      if (place < 5) this.#hits += 1 / tied;
      if (place < 10) this.#gain += 1 / Math.log2(place + 2) / tied;
    }
  }

  means(): { hitRate5: number; ndcg10: number } {
    const mean = (sum: number): number => Math.round((sum / this.choices) * 1e4) / 1e4;
    return { hitRate5: mean(this.#hits), ndcg10: mean(this.#gain) };
  }
}
