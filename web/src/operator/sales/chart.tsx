/**
 * The picture of sales: bars of all together, or a line for each part.
 *
 * Guarantees: it is a picture with a name and a description to screen readers, and the tables below it hold its
 * numbers; lines differ by dashes and marks and not by colour alone; nothing moves; time runs in the direction of the
 * language.
 */
import { useId, useMemo, type ReactNode } from 'react';
import {
  Bar,
  CartesianGrid,
  ComposedChart,
  Line,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts';
import { useOperatorText } from '../../i18n/operator';
import { useLocale } from '../../i18n/locale';
import { minorPerUnit, useFigures } from '../figures';
import { FINDING_ID } from './finding';
import { useSeriesName } from './names';
import type { Measure } from './range';
import { bucketsOf, linesOf, type Line as SalesLine } from './series';
import type { Sales } from './types';

const HEIGHT = 300;
const COLOURS = ['--accent', '--zone-1', '--zone-2', '--good', '--wait', '--ink-soft'];
const DASHES = ['', '8 4', '2 4', '12 4 2 4', '5 2', '1 3'];
/** Marks on the lines: paths around 0 0. */
const MARKS = [
  'M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0Z',
  'M-3.2-3.2h6.4v6.4h-6.4Z',
  'M0-4.4 4.2 3H-4.2Z',
  'M0-4.6 4.6 0 0 4.6-4.6 0Z',
  'M0 4.4-4.2-3H4.2Z',
  'M-3.5-3.5 3.5 3.5M3.5-3.5-3.5 3.5',
];
/** More marks than that run into each other. */
const MARKS_MAX = 40;

const colourOf = (i: number): string => `var(${COLOURS[i % COLOURS.length] ?? '--accent'})`;
const at = <T,>(list: readonly T[], i: number): T | undefined => list[i % list.length];

interface Datum {
  readonly at: number;
  readonly values: readonly number[];
}

export default function SalesChart({
  sales,
  measure,
}: {
  readonly sales: Sales;
  readonly measure: Measure;
}): ReactNode {
  const t = useOperatorText('sales');
  const id = useId();
  const { dir } = useLocale();
  const figures = useFigures();
  const nameOf = useSeriesName(sales.by);
  const lines = useMemo(() => linesOf(sales, measure), [sales, measure]);
  const data = useMemo<Datum[]>(
    () => bucketsOf(sales).map((at, i) => ({ at, values: lines.map(({ values }) => values[i] ?? 0) })),
    [sales, lines],
  );
  const isDaily = sales.bucket === 'day';
  const unit = measure === 'sold' ? 1 : minorPerUnit(sales.currency);
  const isSingle = sales.by === 'none';
  const amount = (value: number): string =>
    measure === 'sold' ? figures.number(value) : figures.minor(value, sales.currency);
  const title = t(measure === 'sold' ? 'soldOverTime' : 'revenueOverTime');
  const edge = { right: dir === 'rtl' ? 4 : 12, left: dir === 'rtl' ? 12 : 4, top: 8, bottom: 0 };
  return (
    <figure className="sales-chart">
      {!isSingle && <Legend lines={lines} nameOf={nameOf} amount={amount} />}
      {/* From left to right: anchors of text mean what the library thinks they mean. */}
      <div role="img" aria-labelledby={id} aria-describedby={FINDING_ID} dir="ltr">
        <span id={id} className="visually-hidden">
          {title}
        </span>
        <ResponsiveContainer width="100%" height={HEIGHT}>
          <ComposedChart data={data} margin={edge} accessibilityLayer={false}>
            <CartesianGrid vertical={false} stroke="var(--line)" />
            <XAxis
              dataKey="at"
              reversed={dir === 'rtl'}
              tickFormatter={(value: number) =>
                isDaily ? figures.dayMonth(value, 'UTC') : figures.time(value, 'UTC')
              }
              tick={{ fill: 'var(--ink-soft)', fontSize: 12 }}
              stroke="var(--line-strong)"
              minTickGap={24}
            />
            <YAxis
              orientation={dir === 'rtl' ? 'right' : 'left'}
              tickFormatter={(value: number) => figures.compact(value / unit)}
              tick={{ fill: 'var(--ink-soft)', fontSize: 12 }}
              stroke="var(--line-strong)"
              allowDecimals={measure !== 'sold'}
              width={56}
            />
            <Tooltip
              isAnimationActive={false}
              cursor={{ stroke: 'var(--line-strong)', fill: 'var(--sunken)', fillOpacity: 0.6 }}
              content={({ active, payload }) => {
                const datum = active ? datumOf(payload) : null;
                return (
                  datum && (
                    <Reading datum={datum} lines={lines} nameOf={nameOf} amount={amount} isDaily={isDaily} />
                  )
                );
              }}
            />
            {isSingle ? (
              <Bar dataKey={valueAt(0)} name="all" fill="var(--accent)" isAnimationActive={false} />
            ) : (
              lines.map((line, i) => (
                <Line
                  key={line.key}
                  type="linear"
                  dataKey={valueAt(i)}
                  name={line.key}
                  stroke={colourOf(i)}
                  strokeWidth={2}
                  strokeDasharray={at(DASHES, i) ?? ''}
                  dot={
                    data.length > MARKS_MAX
                      ? false
                      : (place: MarkPlace) => <Mark key={place.index} {...place} of={i} />
                  }
                  activeDot={false}
                  isAnimationActive={false}
                />
              ))
            )}
          </ComposedChart>
        </ResponsiveContainer>
      </div>
    </figure>
  );
}

const valueAt =
  (i: number) =>
  ({ values }: Datum): number =>
    values[i] ?? 0;

function datumOf(payload: unknown): Datum | null {
  const first: unknown = Array.isArray(payload) ? payload[0] : null;
  const datum = typeof first === 'object' && first !== null && 'payload' in first ? first.payload : null;
  // What was given to the chart comes back as it was.
  return typeof datum === 'object' && datum !== null ? (datum as Datum) : null;
}

interface MarkPlace {
  readonly cx?: number;
  readonly cy?: number;
  readonly index?: number;
}

function Mark({ cx = 0, cy = 0, of }: MarkPlace & { readonly of: number }): ReactNode {
  return (
    <path
      d={at(MARKS, of)}
      transform={`translate(${cx} ${cy})`}
      fill="var(--card)"
      stroke={colourOf(of)}
      strokeWidth={1.5}
    />
  );
}

interface Words {
  readonly lines: readonly SalesLine[];
  readonly nameOf: (line: SalesLine) => string;
  readonly amount: (value: number) => string;
}

function Swatch({ of }: { readonly of: number }): ReactNode {
  return (
    <svg viewBox="0 0 40 12" width="40" height="12" aria-hidden="true">
      <path d="M0 6h40" stroke={colourOf(of)} strokeWidth={2} strokeDasharray={at(DASHES, of)} />
      <Mark cx={20} cy={6} of={of} />
    </svg>
  );
}

function Legend({ lines, nameOf, amount }: Words): ReactNode {
  return (
    <ul className="sales-legend">
      {lines.map((line, i) => (
        <li key={line.key}>
          <Swatch of={i} />
          <span>{nameOf(line)}</span>
          <bdi className="soft">{amount(line.total)}</bdi>
        </li>
      ))}
    </ul>
  );
}

/** For those with a mouse; the table says the same to everyone. */
function Reading(props: Words & { readonly datum: Datum; readonly isDaily: boolean }): ReactNode {
  const { datum, lines, nameOf, amount, isDaily } = props;
  const { dir } = useLocale();
  const figures = useFigures();
  return (
    <div className="sales-reading" dir={dir}>
      <p>{isDaily ? figures.dayShort(datum.at, 'UTC') : figures.moment(datum.at, 'UTC')}</p>
      <ul>
        {lines.map((line, i) => (
          <li key={line.key}>
            {lines.length > 1 && <Swatch of={i} />}
            <span>{nameOf(line)}</span>
            <bdi>{amount(datum.values[i] ?? 0)}</bdi>
          </li>
        ))}
      </ul>
    </div>
  );
}
