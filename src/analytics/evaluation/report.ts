/** What several evaluations say together: figures with intervals, and whether the bars are cleared. */
import { METRICS, type Evaluation, type Metric } from './evaluate.js';
import { bootstrap, meanInterval, ratioInterval, type Interval, type PersonSums } from './intervals.js';

/** Test choices of all people, of those who chose before the cut too, and of those who did not. */
export const GROUPS = ['all', 'known', 'unknown'] as const;
export type Group = (typeof GROUPS)[number];

export type Figures = Readonly<Record<Group, Readonly<Record<Metric, Interval | null>>>>;

/** How many times better one is than another, over all test choices. */
export interface Comparison {
  readonly trainer: string;
  readonly than: string;
  readonly metric: Metric;
  readonly factor: number;
  readonly ratio: Interval | null;
  /** Whether the whole interval is above the factor. */
  readonly isAbove: boolean;
}

export interface Report {
  readonly title: string;
  /** What the intervals are made of. */
  readonly basis: 'seeds' | 'persons';
  readonly samples: number;
  readonly trainingChoices: number;
  readonly testChoices: number;
  readonly knownShare: number;
  readonly impossible: number;
  readonly candidatesMean: number;
  /** What chance alone gets. */
  readonly chance: Readonly<Record<Metric, number>>;
  readonly figures: Readonly<Record<string, Figures>>;
  readonly comparisons: readonly Comparison[];
}

export interface Bar {
  readonly name: string;
  readonly factor: number;
}

/** Of seasons that differ in nothing but their seed. */
export function reportOfSeeds(
  title: string,
  evaluations: readonly Evaluation[],
  bars: readonly Bar[],
): Report {
  const names = namesOf(evaluations);
  const means = (name: string, group: Group, metric: Metric): readonly number[] =>
    evaluations.map((evaluation) => meanOf(evaluation, name, group, metric));
  const figures = figuresWith(names, (name, group, metric) => {
    const values = means(name, group, metric);
    return values.some(Number.isNaN) ? null : meanInterval(values);
  });
  const comparisons = comparisonsWith(names, bars, (name, other, metric) =>
    ratioInterval(means(name, 'all', metric), means(other, 'all', metric)),
  );
  return {
    title,
    basis: 'seeds',
    samples: evaluations.length,
    ...countsOf(evaluations),
    figures,
    comparisons,
  };
}

/** Of one data set, by drawing its persons again. */
export function reportOfPersons(
  title: string,
  evaluation: Evaluation,
  bars: readonly Bar[],
  seed: number,
): Report {
  const names = namesOf([evaluation]);
  const columns = names.flatMap((name) => METRICS.map((metric) => ({ name, metric })));
  const columnOf = (name: string, metric: Metric): number =>
    columns.findIndex((column) => column.name === name && column.metric === metric);
  const pairs = names.flatMap((name) =>
    bars.filter((bar) => bar.name !== name).map((bar) => [name, bar.name] as const),
  );
  const ratios = pairs.flatMap(([name, other]) =>
    METRICS.map((metric) => [columnOf(name, metric), columnOf(other, metric)] as const),
  );
  const drawn = new Map(
    GROUPS.map((group) => {
      const persons = personSums(evaluation, group, columns);
      const intervals = bootstrap(
        persons,
        ({ count, sums }) => [
          ...sums.map((sum) => sum / count),
          ...(group === 'all' ? ratios.map(([one, other]) => (sums[one] ?? 0) / (sums[other] ?? 0)) : []),
        ],
        seed,
      );
      return [group, persons.length === 0 ? [] : intervals] as const;
    }),
  );
  const figures = figuresWith(
    names,
    (name, group, metric) => drawn.get(group)?.[columnOf(name, metric)] ?? null,
  );
  const comparisons = comparisonsWith(names, bars, (name, other, metric) => {
    const pair = ratios.findIndex(
      ([one, two]) => one === columnOf(name, metric) && two === columnOf(other, metric),
    );
    const ratio = drawn.get('all')?.[columns.length + pair];
    return ratio && Number.isFinite(ratio.value) ? ratio : null;
  });
  const samples = new Set(evaluation.persons).size;
  return { title, basis: 'persons', samples, ...countsOf([evaluation]), figures, comparisons };
}

function personSums(
  { persons, isKnown, values }: Evaluation,
  group: Group,
  columns: readonly { readonly name: string; readonly metric: Metric }[],
): readonly PersonSums[] {
  const sums = new Map<string, { count: number; sums: number[] }>();
  const arrays = columns.map(({ name, metric }) => values.get(name)?.[metric]);
  for (const [i, person] of persons.entries()) {
    if (!belongs(group, isKnown[i])) continue;
    const mine = sums.get(person) ?? { count: 0, sums: columns.map(() => 0) };
    sums.set(person, mine);
    mine.count += 1;
    for (const [k, array] of arrays.entries()) mine.sums[k] = (mine.sums[k] ?? 0) + (array?.[i] ?? 0);
  }
  return [...sums.values()];
}

const belongs = (group: Group, isKnown: boolean | undefined): boolean =>
  group === 'all' || (group === 'known') === isKnown;

/** NaN when the group is empty. */
function meanOf({ values, isKnown }: Evaluation, name: string, group: Group, metric: Metric): number {
  let total = 0;
  let count = 0;
  for (const [i, value] of (values.get(name)?.[metric] ?? new Float64Array()).entries()) {
    if (!belongs(group, isKnown[i])) continue;
    total += value;
    count += 1;
  }
  return total / count;
}

const namesOf = (evaluations: readonly Evaluation[]): readonly string[] => [
  ...(evaluations[0]?.values.keys() ?? []),
];

function figuresWith(
  names: readonly string[],
  interval: (name: string, group: Group, metric: Metric) => Interval | null,
): Report['figures'] {
  const ofGroup = (name: string, group: Group): Figures[Group] => ({
    hitRateAt5: interval(name, group, 'hitRateAt5'),
    ndcgAt10: interval(name, group, 'ndcgAt10'),
    mrr: interval(name, group, 'mrr'),
  });
  return Object.fromEntries(
    names.map((name) => [
      name,
      { all: ofGroup(name, 'all'), known: ofGroup(name, 'known'), unknown: ofGroup(name, 'unknown') },
    ]),
  );
}

function comparisonsWith(
  names: readonly string[],
  bars: readonly Bar[],
  ratioOf: (name: string, other: string, metric: Metric) => Interval | null,
): readonly Comparison[] {
  return names.flatMap((trainer) =>
    bars
      .filter(({ name }) => name !== trainer && names.includes(name))
      .flatMap(({ name: than, factor }) =>
        METRICS.map((metric) => {
          const ratio = ratioOf(trainer, than, metric);
          return { trainer, than, metric, factor, ratio, isAbove: ratio !== null && ratio.low > factor };
        }),
      ),
  );
}

function countsOf(evaluations: readonly Evaluation[]) {
  const mean = (of: (evaluation: Evaluation) => number): number =>
    evaluations.reduce((sum, evaluation) => sum + of(evaluation), 0) / Math.max(1, evaluations.length);
  return {
    trainingChoices: mean(({ trainingChoices }) => trainingChoices),
    testChoices: mean(({ testChoices }) => testChoices),
    knownShare: mean(({ isKnown }) => isKnown.filter(Boolean).length / Math.max(1, isKnown.length)),
    impossible: mean(({ impossible }) => impossible),
    candidatesMean: mean(({ candidatesMean }) => candidatesMean),
    chance: {
      hitRateAt5: mean(({ chance }) => chance.hitRateAt5),
      ndcgAt10: mean(({ chance }) => chance.ndcgAt10),
      mrr: mean(({ chance }) => chance.mrr),
    },
  };
}

const LABELS: Readonly<Record<Metric, string>> = {
  hitRateAt5: 'hit-rate@5',
  ndcgAt10: 'NDCG@10',
  mrr: 'MRR',
};
const GROUP_LABELS: Readonly<Record<Group, string>> = {
  all: 'all choices',
  known: 'of persons known from training',
  unknown: 'of persons not known',
};
const NAME_CHARS = 14;
const CELL_CHARS = 24;

export function reportLines(report: Report): readonly string[] {
  const { title, basis, samples, trainingChoices, testChoices, knownShare, candidatesMean, impossible } =
    report;
  const row = (name: string, cells: readonly string[]): string =>
    [name.padEnd(NAME_CHARS), ...cells.map((cell) => cell.padEnd(CELL_CHARS))].join('').trimEnd();
  const groups = GROUPS.flatMap((group) => [
    '',
    row('', [GROUP_LABELS[group]]),
    row(
      '',
      METRICS.map((metric) => LABELS[metric]),
    ),
    ...Object.entries(report.figures).map(([name, figures]) =>
      row(
        name,
        METRICS.map((metric) => intervalText(figures[group][metric], 3)),
      ),
    ),
    ...(group === 'all'
      ? [
          row(
            'chance',
            METRICS.map((metric) => report.chance[metric].toFixed(3)),
          ),
        ]
      : []),
  ]);
  return [
    title,
    `${Math.round(trainingChoices)} choices to learn from, ${Math.round(testChoices)} to foresee ` +
      `(${Math.round(100 * knownShare)}% of known persons), ${candidatesMean.toFixed(1)} candidates each` +
      (impossible > 0 ? `; ${Math.round(impossible)} left out, of what could not be chosen any more` : ''),
    basis === 'seeds'
      ? `95% intervals over ${samples} seeds (Student's t)`
      : `95% intervals by drawing ${samples} persons again (bootstrap)`,
    ...groups,
    ...comparisonLines(report.comparisons, row),
  ];
}

function comparisonLines(
  comparisons: readonly Comparison[],
  row: (name: string, cells: readonly string[]) => string,
): readonly string[] {
  const pairs = new Map<string, Comparison[]>();
  for (const one of comparisons) {
    const key = `${one.trainer}/${one.than}`;
    pairs.set(key, [...(pairs.get(key) ?? []), one]);
  }
  return [...pairs.values()].flatMap((mine) => {
    const [first] = mine;
    if (!first) return [];
    const cells = mine.map(({ ratio, isAbove }) => `${intervalText(ratio, 2)} ${isAbove ? 'yes' : 'no'}`);
    return [
      '',
      `${first.trainer} : ${first.than}, and whether clearly above ${first.factor}`,
      row('', cells),
    ];
  });
}

function intervalText(interval: Interval | null, digits: number): string {
  if (!interval) return '-';
  const { value, low, high } = interval;
  if (!Number.isFinite(low) || !Number.isFinite(high)) return value.toFixed(digits);
  return `${value.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}
