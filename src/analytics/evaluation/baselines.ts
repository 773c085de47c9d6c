/** Rankers that a model has to beat. They draw nothing, so their seed is not used. */
import type { Choice, Ranker, Trainer } from '../model/dataset.js';

/** What was chosen most. */
export const trainPopularity: Trainer = ({ choices }) => ranker('popularity', countsOf(choices));

/** Of the time that was learnt from: after this part of it a choice counts half. */
const HALF_LIFE_SHARE = 0.1;

/** What was chosen most of late. */
export const trainRecentPopularity: Trainer = ({ choices }) => {
  const first = choices[0]?.at ?? 0;
  const last = choices.at(-1)?.at ?? 0;
  const halfLifeMs = Math.max(1, (last - first) * HALF_LIFE_SHARE);
  return ranker(
    'recent',
    countsOf(choices, ({ at }) => Math.exp((-Math.LN2 * (last - at)) / halfLifeMs)),
  );
};

/** How much all together weigh among one country's people, in choices: what is tried. */
const PRIORS = [2, 5, 10, 20, 50, 100, 200, 500, 1_000] as const;

/**
 * What was chosen most in the visitor's country, with the choices of all as a Dirichlet prior (Zhai and Lafferty,
 * 2004). How much the prior weighs is what makes the training choices likeliest, each left out once. Whose country is
 * not known gets what is chosen most by all.
 */
export const trainCountryPopularity: Trainer = ({ choices }) => {
  const all = countsOf(choices);
  const byCountry = new Map<string, Choice[]>();
  for (const choice of choices) {
    if (choice.country === null) continue;
    const mine = byCountry.get(choice.country);
    if (mine) mine.push(choice);
    else byCountry.set(choice.country, [choice]);
  }
  const counts = new Map([...byCountry].map(([country, mine]) => [country, countsOf(mine)]));
  const shareOf = (item: number): number => (all.get(item) ?? 0) / Math.max(1, choices.length);
  const prior = likeliestPrior([...counts.values()], shareOf);
  return {
    name: 'country',
    scores: ({ country }, candidates) => {
      const mine = country === null ? undefined : counts.get(country);
      return Float64Array.from(candidates, (item) => (mine?.get(item) ?? 0) + prior * shareOf(item));
    },
  };
};

function likeliestPrior(
  countries: readonly ReadonlyMap<number, number>[],
  shareOf: (item: number) => number,
): number {
  let best = { prior: PRIORS[0] as number, likelihood: -Infinity };
  for (const prior of PRIORS) {
    let likelihood = 0;
    for (const counts of countries) {
      const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
      for (const [item, count] of counts) {
        likelihood += count * Math.log((count - 1 + prior * shareOf(item)) / (total - 1 + prior));
      }
    }
    if (likelihood > best.likelihood) best = { prior, likelihood };
  }
  return best.prior;
}

function countsOf(
  choices: readonly Choice[],
  weight: (choice: Choice) => number = () => 1,
): Map<number, number> {
  const counts = new Map<number, number>();
  for (const choice of choices) counts.set(choice.item, (counts.get(choice.item) ?? 0) + weight(choice));
  return counts;
}

const ranker = (name: string, counts: ReadonlyMap<number, number>): Ranker => ({
  name,
  scores: (_, candidates) => Float64Array.from(candidates, (item) => counts.get(item) ?? 0),
});
